//: file shaders/matmul/parts/dot_apart.wgsl
// Sum of the products of four signed bytes on any device: the same integer.
// Twin: dot_packed.wgsl

fn signed_bytes(word: u32) -> vec4<i32> {
  return bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(0u, 8u, 16u, 24u)) >> vec4<u32>(24u);
}

fn dot_of_bytes(a: u32, b: u32) -> i32 {
  return dot(signed_bytes(a), signed_bytes(b));
}
