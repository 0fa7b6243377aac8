//: file shaders/lib/weight_q2k.wgsl
// Weights of 2 bits: a vector holds a block of 32 columns of two rows, two words each; bits
// 8 * k + 2 * q and the next of the words are columns 4 * q + k and 16 more. Scales and minima are
// of 16 columns.

struct PackedBlock {
  codes: vec2<u32>,
  scale: vec2<f32>,
  minimum: vec2<f32>,
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let two_rows = weights[(group_block * 2u + output / 2u) * 8u + lane];
  let base = unpack2x16float(side.base[output]);
  let both = vec2<u32>(side.scales[output]) >> vec2<u32>(0u, 8u);
  let minima = (both >> vec2<u32>(4u)) & vec2<u32>(15u);
  return PackedBlock(
    select(two_rows.xy, two_rows.zw, (output & 1u) > 0u),
    base.x * vec2<f32>(vec2<i32>(both & vec2<u32>(15u))),
    base.y * -vec2<f32>(vec2<i32>(minima)),
  );
}

// Columns 4 * index to 4 * index + 3 of the block, rounded once. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let codes = (block.codes[half] >> (2u * (index & 3u))) & 0x03030303u;
  let scale = vec4<f32>(block.scale[half]);
  return fma(vec4<f32>(bytes_of(codes)), scale, vec4<f32>(block.minimum[half]));
}
