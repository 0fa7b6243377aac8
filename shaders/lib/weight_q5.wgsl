//: file shaders/lib/weight_q5.wgsl
// Weights of 5 bits: byte j of a block holds the low 4 bits of columns j (low half) and 16 + j
// (high half); bit 8 * k + p of a word of the side data is the highest bit of column 4 * p + k.
// CENTER, put before this, is the code that stands for 0.

struct PackedBlock {
  v0: vec4<u32>,
  high: u32,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  return PackedBlock(weights[at], side[output]);
}

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let low = (block.v0[index & 3u] >> ((index >> 2u) * 4u)) & 0x0f0f0f0fu;
  let early = block.high << ((4u - index) & 7u);
  let late = block.high >> ((index - 4u) & 7u);
  let high = select(early, late, index > 4u);
  return vec4<f32>(bytes_of(low | (high & 0x10101010u)) - vec4<i32>(CENTER));
}
