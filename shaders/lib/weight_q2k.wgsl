//: file shaders/lib/weight_q2k.wgsl
// Weights of 2 bits: a vector holds two blocks of 32 columns of a row, two words each; bits 2j and
// 2j + 1 of the words are columns j and 16 + j. Scales and minima are of 16 columns.

struct PackedBlock {
  codes: vec2<u32>,
  scale: vec2<f32>,
  minimum: vec2<f32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let two_blocks = weights[(group_block / 2u * 4u + output) * 8u + lane];
  let base = unpack2x16float(side.base[output]);
  let both = vec2<u32>(side.scales[output]) >> vec2<u32>(0u, 8u);
  let minima = (both >> vec2<u32>(4u)) & vec2<u32>(15u);
  return PackedBlock(
    select(two_blocks.xy, two_blocks.zw, (group_block & 1u) > 0u),
    base.x * vec2<f32>(vec2<i32>(both & vec2<u32>(15u))),
    base.y * -vec2<f32>(vec2<i32>(minima)),
  );
}

// Columns 4 * index to 4 * index + 3 of the block, rounded once. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let shift = vec4<u32>(0u, 2u, 4u, 6u) + vec4<u32>(8u * (index & 3u));
  let codes = (vec4<u32>(block.codes[half]) >> shift) & vec4<u32>(3u);
  let scale = vec4<f32>(block.scale[half]);
  return fma(vec4<f32>(vec4<i32>(codes)), scale, vec4<f32>(block.minimum[half]));
}
