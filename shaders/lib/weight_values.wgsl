//: file shaders/lib/weight_values.wgsl
// Codes of 4 bits, of which each stands for some value: by computing it.
// Twin: weight_values_lanes.wgsl

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  return values_of((block.v0[index & 3u] >> ((index >> 2u) * 4u)) & 0x0f0f0f0fu);
}
