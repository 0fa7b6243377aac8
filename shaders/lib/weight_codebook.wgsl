//: file shaders/lib/weight_codebook.wgsl
// Weights of 4 bits that stand for the values of a table: byte j of a block holds columns j (low
// half) and 16 + j (high half). The table is put before this, 4 signed bytes in each word: CODES_0,
// of codes 0 to 3, to CODES_12, of codes 12 to 15.

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
  let codes = vec4<u32>(word) >> shift;
  let is_odd_four = (codes & vec4<u32>(4u)) != vec4<u32>(0u);
  let is_high = (codes & vec4<u32>(8u)) != vec4<u32>(0u);
  let low = select(vec4<u32>(CODES_0), vec4<u32>(CODES_4), is_odd_four);
  let high = select(vec4<u32>(CODES_8), vec4<u32>(CODES_12), is_odd_four);
  let four = bitcast<vec4<i32>>(select(low, high, is_high));
  let to_top = vec4<u32>(24u) - ((codes & vec4<u32>(3u)) << vec4<u32>(3u));
  return vec4<f32>((four << to_top) >> vec4<u32>(24u));
}
