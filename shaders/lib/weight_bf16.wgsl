//: file shaders/lib/weight_bf16.wgsl
// Weights as bfloat16, two columns per word.

struct PackedBlock {
  v0: vec4<u32>,
  v1: vec4<u32>,
  v2: vec4<u32>,
  v3: vec4<u32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 32u + lane;
  return PackedBlock(
    weights[at],
    weights[at + 8u],
    weights[at + 16u],
    weights[at + 24u],
  );
}

// Columns 4 * index to 4 * index + 3 of the block. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let low = select(block.v0, block.v1, (index & 2u) > 0u);
  let high = select(block.v2, block.v3, (index & 2u) > 0u);
  let quarter = select(low, high, (index & 4u) > 0u);
  let words = select(quarter.xy, quarter.zw, (index & 1u) > 0u);
  return vec4<f32>(
    bitcast<vec2<f32>>(vec2<u32>(words.x << 16u, words.x & 0xffff0000u)),
    bitcast<vec2<f32>>(vec2<u32>(words.y << 16u, words.y & 0xffff0000u)),
  );
}
