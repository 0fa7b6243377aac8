//: file shaders/lib/weight_q6k.wgsl
// Weights of 6 bits around 32: byte j of a block holds the low 4 bits of columns j (low half) and
// 16 + j (high half). The side data holds the scales of both halves and a word of high 2 bits for
// each: bits 8 * k + 2 * q and the next are those of its column 4 * q + k.

struct PackedBlock {
  v0: vec4<u32>,
  high: vec2<u32>, // of columns 0 to 15 and 16 to 31
  scale: vec2<f32>,
  minimum: vec2<f32>, // what a code of 0 stands for
}

// `group_block` counts blocks of 32 outputs x 32 columns; `output` is one of a lane's 4.
fn load_weights(group_block: u32, output: u32, lane: u32, side: Shared) -> PackedBlock {
  let at = (group_block * 4u + output) * 8u + lane;
  let scales = bitcast<i32>(side.scales[output]);
  let scale = vec2<f32>((vec2<i32>(scales) << vec2<u32>(24u, 16u)) >> vec2<u32>(24u));
  let high = vec2<u32>(side.low[output], side.high[output]);
  return PackedBlock(weights[at], high, scale, -32.0 * scale);
}

// Columns 4 * index to 4 * index + 3 of the block, times their scale: exact. `index` is a literal.
fn weight_columns(block: PackedBlock, index: u32) -> vec4<f32> {
  let half = index >> 2u;
  let low = (block.v0[index & 3u] >> (half * 4u)) & 0x0f0f0f0fu;
  let high = (block.high[half] >> (2u * (index & 3u))) & 0x03030303u;
  let codes = vec4<f32>(bytes_of(low | (high << 4u)));
  return fma(codes, vec4<f32>(block.scale[half]), vec4<f32>(block.minimum[half]));
}
