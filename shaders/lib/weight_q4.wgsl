//: file shaders/lib/weight_q4.wgsl
// Weights of 4 bits: byte j of a block holds columns j (low half) and 16 + j (high half).
// CENTER, put before this, is the code that stands for 0.

struct PackedBlock {
  v0: vec4<u32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  return PackedBlock(weights[at]);
}

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let word = block.v0[index & 3u];
  let shift = vec4<u32>(0u, 8u, 16u, 24u) + vec4<u32>((index >> 2u) * 4u);
  let codes = (vec4<u32>(word) >> shift) & vec4<u32>(15u);
  return vec4<f32>(vec4<i32>(codes) - vec4<i32>(CENTER));
}

// The same, a byte each, as they are.
fn weight_bytes(block: PackedBlock, index: u32) -> u32 {
  return (block.v0[index & 3u] >> ((index >> 2u) * 4u)) & 0x0f0f0f0fu;
}
