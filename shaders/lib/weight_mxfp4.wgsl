//: file shaders/lib/weight_mxfp4.wgsl
// Weights as floats of 4 bits: byte j of a block holds columns j (low half) and 16 + j (high half).
// Doubled they are 0, 1, 2, 3, 4, 6, 8 and 12, or less than 0: integers, made for 4 columns at once
// in the bytes of a word.

struct PackedBlock {
  v0: vec4<u32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  return PackedBlock(weights[at]);
}

// What 4 codes stand for, one in each byte, doubled.
fn values_of(codes: u32) -> vec4<f32> {
  // From 4 on a step is 2, and the last is 4.
  let is_large = (codes >> 2u) & 0x01010101u;
  let by_step = codes & (is_large * 3u);
  let is_largest = codes & (codes >> 1u) & is_large;
  let size = (codes & 0x07070707u) + by_step + (is_largest << 1u);
  let is_negative = ((codes >> 3u) & 0x01010101u) * 255u;
  let around_12 = 0x0c0c0c0cu + size - ((size & is_negative) << 1u);
  return vec4<f32>(bytes_of(around_12) - vec4<i32>(12));
}
