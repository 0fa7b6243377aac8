//: file shaders/lib/weight_q6k.wgsl
// Weights of 6 bits around 32, as shaders/lib/weight_fields.wgsl has them, which is appended; the
// side data holds the scales of 16 columns.

struct PackedBlock {
  fields: Fields,
  scale: vec2<f32>, // over SIGNED_BYTE
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  let both = side.scales[output];
  let scale = vec2<f32>(vec2<i32>(vec2<u32>(both << 24u, (both << 16u) & 0xff000000u)));
  let high = vec2<u32>(side.fifth[output], side.sixth[output]);
  return PackedBlock(Fields(weights[at], high), scale);
}

// Columns 4 * index to 4 * index + 3 of the block: exact. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let codes = vec4<f32>(codes_of(block.fields, index) - vec4<i32>(32));
  return codes * block.scale[index >> 2u];
}

// The codes at their places; a sum of their products begins with that of x times START.
const START = -32.0f;

fn weight_codes(block: PackedBlock, index: u32) -> vec4<f32> {
  return vec4<f32>(codes_at_places(block.fields, index));
}

// The codes around CENTER, a byte each.
const CENTER = 32;

fn weight_bytes(block: PackedBlock, index: u32) -> u32 {
  return code_bytes(block.fields, index);
}
