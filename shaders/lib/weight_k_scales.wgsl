//: file shaders/lib/weight_k_scales.wgsl
// Scales and minima of 6 bits of the 8 blocks of 32 columns in a super-block of 256, as in the
// file: words a and b have those of blocks 0 to 3 in the low 6 bits of their bytes, word c has the
// low 4 bits of those of blocks 4 to 7, whose high 2 bits are the high 2 bits of a and b.

// Of a lane's 4 outputs.
struct KScales {
  scale: vec4<f32>, // of scales
  minimum: vec4<f32>, // of minima
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
}

// `base` has the super-block's scale (low half) and scale of minima as f16.
fn k_unit(base: vec4<u32>, a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> KScales {
  let x = unpack2x16float(base.x);
  let y = unpack2x16float(base.y);
  let z = unpack2x16float(base.z);
  let w = unpack2x16float(base.w);
  let scale = vec4<f32>(x.x, y.x, z.x, w.x);
  return KScales(scale, vec4<f32>(x.y, y.y, z.y, w.y), a, b, c);
}

// Products are exact.
fn k_scales(unit: KScales, block: u32) -> Scales {
  let shift = vec4<u32>(8u * (block & 3u));
  let high = vec4<u32>(6u) + shift;
  let six = vec4<u32>(63u);
  let four = vec4<u32>(15u);
  let two = vec4<u32>(3u);
  let four_bits = vec4<u32>(4u);
  var codes = (unit.a >> shift) & six;
  var minima = (unit.b >> shift) & six;
  if (block > 3u) {
    codes = ((unit.c >> shift) & four) | (((unit.a >> high) & two) << four_bits);
    minima = ((unit.c >> (shift + four_bits)) & four) | (((unit.b >> high) & two) << four_bits);
  }
  return Scales(
    unit.scale * vec4<f32>(vec4<i32>(codes)),
    unit.minimum * -vec4<f32>(vec4<i32>(minima)),
  );
}
