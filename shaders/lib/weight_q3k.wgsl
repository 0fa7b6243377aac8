//: file shaders/lib/weight_q3k.wgsl
// Weights of 3 bits around 4: a vector holds a block of 32 columns of two rows, two words each;
// bits 8 * k + 2 * q and the next of the words are the low bits of columns 4 * q + k and 16 more.
// The side data holds scales of 16 columns and the highest bits, of column 4 * p + k in bit
// 8 * k + p, turned over, so that all 3 are the code less 4 in two's complement.

struct PackedBlock {
  codes: vec2<u32>,
  high: u32,
  scale: vec2<f32>, // of what `weight_codes` gives
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let two_rows = weights[(group_block * 2u + output / 2u) * 8u + lane];
  let low = (vec2<u32>(side.low_scales[output]) >> vec2<u32>(0u, 4u)) & vec2<u32>(15u);
  let high = (vec2<u32>(side.high_scales[output]) >> vec2<u32>(0u, 2u)) & vec2<u32>(3u);
  let scale = vec2<f32>(vec2<i32>(low | (high << vec2<u32>(4u))) - vec2<i32>(32));
  let codes = select(two_rows.xy, two_rows.zw, (output & 1u) > 0u);
  return PackedBlock(codes, side.high[output], (0.03125 * SIGNED_BYTE) * scale);
}

// Columns 4 * index to 4 * index + 3 of the block, times 32 in the top bytes of integers. `index`
// is a literal.
fn weight_codes(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let place = 2u * (index & 3u);
  let word = block.codes[half];
  let low = select(word << ((5u - place) & 7u), word >> 1u, place > 5u) & 0x60606060u;
  let high = (block.high << (7u - index)) & 0x80808080u;
  return vec4<f32>(signed_bytes_of(low | high));
}

// The same, times their scale: exact.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  return weight_codes(block, index) * block.scale[index >> 2u];
}
