//: file shaders/lib/weight_q6k.wgsl
// Weights of 6 bits around 32: byte j of a block holds the low 4 bits of columns j (low half) and
// 16 + j (high half). The side data holds the scales of both halves and a word of high 2 bits for
// each: bits 8 * k + 2 * q and the next are those of its column 4 * q + k, the higher one turned
// over, so that all 6 are the code less 32 in two's complement.

struct PackedBlock {
  v0: vec4<u32>,
  high: vec2<u32>, // of columns 0 to 15 and 16 to 31
  scale: vec2<f32>, // of what `weight_codes` gives
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  let at_top = vec2<u32>(side.scales[output]) << vec2<u32>(24u, 16u);
  let scale = vec2<f32>(vec2<i32>(at_top & vec2<u32>(0xff000000u)));
  let high = vec2<u32>(side.low[output], side.high[output]);
  return PackedBlock(weights[at], high, (0.25 * SIGNED_BYTE * SIGNED_BYTE) * scale);
}

// Columns 4 * index to 4 * index + 3 of the block, times 4 in the top bytes of integers. `index` is
// a literal.
fn weight_codes(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let word = block.v0[index & 3u];
  let low = select(word << 2u, word >> 2u, half > 0u) & 0x3c3c3c3cu;
  let high = (block.high[half] << (6u - 2u * (index & 3u))) & 0xc0c0c0c0u;
  return vec4<f32>(signed_bytes_of(low | high));
}

// The same, times their scale: exact.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  return weight_codes(block, index) * block.scale[index >> 2u];
}
