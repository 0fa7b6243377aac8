//: file shaders/lib/weight_side_halves.wgsl
// Side data of blocks of 32 columns without minima: the scale as f16, two rows in a word.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let pairs = scales[group_block * 4u + lane / 2u];
  let words = select(pairs.xy, pairs.zw, (lane & 1u) > 0u);
  let scale = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
  return Scales(scale, vec4<f32>(0.0));
}
