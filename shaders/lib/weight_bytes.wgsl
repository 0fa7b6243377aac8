//: file shaders/lib/weight_bytes.wgsl
// The four bytes of a word, the lowest first: codes of 4 neighbouring columns, put together for all
// of them at once.

fn bytes_of(word: u32) -> vec4<i32> {
  return vec4<i32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

// The same of signed ones, times 2^24: at the top, where a number has its sign.
const SIGNED_BYTE = 5.9604644775390625e-8; // 2^-24

fn signed_bytes_of(word: u32) -> vec4<i32> {
  let at_top = vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u);
  return vec4<i32>(at_top & vec4<u32>(0xff000000u));
}
