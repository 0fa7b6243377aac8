//: file shaders/lib/weight_bytes.wgsl
// The four bytes of a word, the lowest first: codes of 4 neighbouring columns, put together for all
// of them at once.

fn bytes_of(word: u32) -> vec4<i32> {
  return vec4<i32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}
