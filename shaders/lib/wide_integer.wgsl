//: file shaders/lib/wide_integer.wgsl
// Products of whole numbers of more than 32 bits. The least significant word comes first.
// Needs: nothing

// a * b.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  let high = (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
  return vec2((other << 16u) | (low & 0xffffu), high);
}

// a + b; the sum must be below 2^64.
fn wide_sum(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2(low, a.y + b.y + select(0u, 1u, low < b.x));
}

// a * b; the product must be below 2^128.
fn wide_times_word(a: vec4<u32>, b: u32) -> vec4<u32> {
  let x = wide_product(a.x, b);
  let y = wide_sum(wide_product(a.y, b), vec2(x.y, 0u));
  let z = wide_sum(wide_product(a.z, b), vec2(y.y, 0u));
  let w = wide_sum(wide_product(a.w, b), vec2(z.y, 0u));
  return vec4(x.x, y.x, z.x, w.x);
}

// a * b; the product must be below 2^128.
fn wide_times(a: vec4<u32>, b: vec2<u32>) -> vec4<u32> {
  let low = wide_times_word(a, b.x);
  let high = wide_times_word(a, b.y);
  let y = wide_sum(vec2(low.y, 0u), vec2(high.x, 0u));
  let z = wide_sum(wide_sum(vec2(low.z, 0u), vec2(high.y, 0u)), vec2(y.y, 0u));
  return vec4(low.x, y.x, z.x, low.w + high.z + z.y);
}

fn wide_is_less(a: vec4<u32>, b: vec4<u32>) -> bool {
  if (a.w != b.w) {
    return a.w < b.w;
  }
  if (a.z != b.z) {
    return a.z < b.z;
  }
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}
