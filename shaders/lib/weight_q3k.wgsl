//: file shaders/lib/weight_q3k.wgsl
// Weights of 3 bits around 4: a vector holds a block of 32 columns of two rows, two words each; bits
// 8 * k + 2 * q and the next of the words are the low bits of columns 4 * q + k and 16 more. The
// side data holds the highest bits, of column 4 * p + k in bit 8 * k + p, and scales of 16 columns.

struct PackedBlock {
  codes: vec2<u32>,
  high: u32,
  scale: vec2<f32>,
  minimum: vec2<f32>, // what a code of 0 stands for
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let two_rows = weights[(group_block * 2u + output / 2u) * 8u + lane];
  let low = (vec2<u32>(side.low_scales[output]) >> vec2<u32>(0u, 4u)) & vec2<u32>(15u);
  let high = (vec2<u32>(side.high_scales[output]) >> vec2<u32>(0u, 2u)) & vec2<u32>(3u);
  let scale = vec2<f32>(vec2<i32>(low | (high << vec2<u32>(4u))) - vec2<i32>(32));
  let codes = select(two_rows.xy, two_rows.zw, (output & 1u) > 0u);
  return PackedBlock(codes, side.high[output], scale, -4.0 * scale);
}

// Columns 4 * index to 4 * index + 3 of the block, times their scale: exact. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let low = (block.codes[half] >> (2u * (index & 3u))) & 0x03030303u;
  let high = (block.high >> index) & 0x01010101u;
  let codes = vec4<f32>(bytes_of(low | (high << 2u)));
  return fma(codes, vec4<f32>(block.scale[half]), vec4<f32>(block.minimum[half]));
}
