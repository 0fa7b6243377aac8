//: file shaders/lib/weight_values_lanes.wgsl
// Codes of 4 bits, of which each stands for some value: from the registers of the subgroup's 8
// lanes, which have two values each. That is one instruction of a CPU for 8 lanes.
// Twin: weight_values.wgsl

var<private> low_value: f32; // of the code that is the lane's number
var<private> high_value: f32; // of 8 more

fn prepare_values(lane: u32) {
  let both = values_of(lane | ((lane + 8u) << 8u));
  low_value = both.x;
  high_value = both.y;
}

// `code` is in the low 4 bits; any others may be above.
fn value_of(code: u32) -> f32 {
  let low = subgroupShuffle(low_value, code & 7u);
  let high = subgroupShuffle(high_value, code & 7u);
  return select(low, high, (code & 8u) > 0u);
}

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let codes = block.v0[index & 3u] >> ((index >> 2u) * 4u);
  return vec4<f32>(
    value_of(codes),
    value_of(codes >> 8u),
    value_of(codes >> 16u),
    value_of(codes >> 24u),
  );
}
