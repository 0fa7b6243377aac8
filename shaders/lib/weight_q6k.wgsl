//: file shaders/lib/weight_q6k.wgsl
// Weights of 6 bits around 32: byte j of a block holds the low 4 bits of columns j (low half) and
// 16 + j (high half); the side data holds the high 2 bits and the scales of both halves.

struct PackedBlock {
  v0: vec4<u32>,
  high: vec2<u32>, // of columns 0 to 15 and 16 to 31
  scale: vec2<f32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  let scales = bitcast<i32>(side.scales[output]);
  return PackedBlock(
    weights[at],
    vec2<u32>(side.low[output], side.high[output]),
    vec2<f32>((vec2<i32>(scales) << vec2<u32>(24u, 16u)) >> vec2<u32>(24u)),
  );
}

// Columns 4 * index to 4 * index + 3 of the block, times their scale: exact. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let word = block.v0[index & 3u];
  let half = index >> 2u;
  let shift = vec4<u32>(0u, 8u, 16u, 24u) + vec4<u32>(half * 4u);
  let low = (vec4<u32>(word) >> shift) & vec4<u32>(15u);
  let high_shift = vec4<u32>(0u, 2u, 4u, 6u) + vec4<u32>(8u * (index & 3u));
  let high = (vec4<u32>(block.high[half]) >> high_shift) & vec4<u32>(3u);
  return (vec4<f32>(low | (high << vec4<u32>(4u))) - 32.0) * block.scale[half];
}
