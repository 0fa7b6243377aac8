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

// What 4 codes stand for, one in each byte.
fn values_of(codes: u32) -> vec4<f32> {
  let x = vec4<f32>(bytes_of(codes));
  let fourth = fma(vec4<f32>(0.001586043), x, vec4<f32>(0.03108644));
  let third = fma(fourth, x, vec4<f32>(-1.371927));
  let second = fma(third, x, vec4<f32>(24.17383));
  return round(fma(second, x, vec4<f32>(-126.567)));
}
