//: file shaders/lib/weight_side_words.wgsl
// Side data of blocks of 32 columns: a word with scale (low half) and minimum as f16.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let words = scales[group_block * 8u + lane];
  let x = unpack2x16float(words.x);
  let y = unpack2x16float(words.y);
  let z = unpack2x16float(words.z);
  let w = unpack2x16float(words.w);
  return Scales(vec4<f32>(x.x, y.x, z.x, w.x), vec4<f32>(x.y, y.y, z.y, w.y));
}
