//: file shaders/lib/weight_f32.wgsl
// Weights as f32.

struct PackedBlock {
  v0: vec4<u32>,
  v1: vec4<u32>,
  v2: vec4<u32>,
  v3: vec4<u32>,
  v4: vec4<u32>,
  v5: vec4<u32>,
  v6: vec4<u32>,
  v7: vec4<u32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 64u + lane;
  return PackedBlock(
    weights[at],
    weights[at + 8u],
    weights[at + 16u],
    weights[at + 24u],
    weights[at + 32u],
    weights[at + 40u],
    weights[at + 48u],
    weights[at + 56u],
  );
}

// Columns 4 * index to 4 * index + 3 of the block. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let v01 = select(block.v0, block.v1, (index & 1u) > 0u);
  let v23 = select(block.v2, block.v3, (index & 1u) > 0u);
  let v45 = select(block.v4, block.v5, (index & 1u) > 0u);
  let v67 = select(block.v6, block.v7, (index & 1u) > 0u);
  let low = select(v01, v23, (index & 2u) > 0u);
  let high = select(v45, v67, (index & 2u) > 0u);
  return bitcast<vec4<f32>>(select(low, high, (index & 4u) > 0u));
}
