//: file shaders/lib/weight_q8.wgsl
// Weights of 8 bits, signed: byte j of a block holds column j.

struct PackedBlock {
  v0: vec4<u32>,
  v1: vec4<u32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 16u + lane;
  return PackedBlock(weights[at], weights[at + 8u]);
}

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = select(block.v0, block.v1, index > 3u);
  let word = bitcast<i32>(half[index & 3u]);
  return vec4<f32>((vec4<i32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

const CENTER = 0;

// The same, a byte each, as they are.
fn weight_bytes(block: PackedBlock, index: u32) -> u32 {
  return select(block.v0, block.v1, index > 3u)[index & 3u];
}
