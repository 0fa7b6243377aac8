//: file shaders/lib/weight_q3k.wgsl
// Weights of 3 bits around 4: a vector holds two blocks of 32 columns of a row, two words each;
// bits 2j and 2j + 1 of the words are the low bits of columns j and 16 + j. The side data holds the
// highest bits, and scales of 16 columns.

struct PackedBlock {
  codes: vec2<u32>,
  high: u32,
  scale: vec2<f32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let two_blocks = weights[(group_block / 2u * 4u + output) * 8u + lane];
  let low = (vec2<u32>(side.low_scales[output]) >> vec2<u32>(0u, 4u)) & vec2<u32>(15u);
  let high = (vec2<u32>(side.high_scales[output]) >> vec2<u32>(0u, 2u)) & vec2<u32>(3u);
  return PackedBlock(
    select(two_blocks.xy, two_blocks.zw, (group_block & 1u) > 0u),
    side.high[output],
    vec2<f32>(vec2<i32>(low | (high << vec2<u32>(4u))) - vec2<i32>(32)),
  );
}

// Columns 4 * index to 4 * index + 3 of the block, times their scale: exact. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let shift = vec4<u32>(0u, 2u, 4u, 6u) + vec4<u32>(8u * (index & 3u));
  let low = (vec4<u32>(block.codes[half]) >> shift) & vec4<u32>(3u);
  let high = vec4<u32>(block.high) >> (vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(4u * index));
  let codes = low | ((high & vec4<u32>(1u)) << vec4<u32>(2u));
  return vec4<f32>(vec4<i32>(codes) - vec4<i32>(4)) * block.scale[half];
}
