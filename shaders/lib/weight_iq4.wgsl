//: file shaders/lib/weight_iq4.wgsl
// Weights of 4 bits that stand for unevenly spaced integers: byte j of a block holds columns j (low
// half) and 16 + j (high half). The 16 integers are those next to a polynomial of degree 4, which
// is off by 0.433 at most: rounding gives them exactly, without a look at a table.

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
  let x = vec4<f32>(vec4<i32>((vec4<u32>(word) >> shift) & vec4<u32>(15u)));
  let fourth = fma(vec4<f32>(0.001586043), x, vec4<f32>(0.03108644));
  let third = fma(fourth, x, vec4<f32>(-1.371927));
  let second = fma(third, x, vec4<f32>(24.17383));
  return round(fma(second, x, vec4<f32>(-126.567)));
}
