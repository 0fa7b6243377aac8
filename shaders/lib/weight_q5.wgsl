//: file shaders/lib/weight_q5.wgsl
// Weights of 5 bits, as shaders/lib/weight_fields.wgsl has them, which is appended. CENTER, put
// before this, is the code that stands for 0.

alias PackedBlock = Fields;

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  return PackedBlock(weights[at], vec2<u32>(side[output], 0u));
}

// Columns 4 * index to 4 * index + 3 of the block, unscaled. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  return vec4<f32>(codes_of(block, index) - vec4<i32>(CENTER));
}

// The same at their places.
fn weight_codes(block: PackedBlock, index: u32) -> vec4<f32> {
  let center = vec4<i32>(CENTER) << places_of(index);
  return vec4<f32>(codes_at_places(block, index) - center);
}

// The codes, a byte each.
fn weight_bytes(block: PackedBlock, index: u32) -> u32 {
  return code_bytes(block, index);
}
