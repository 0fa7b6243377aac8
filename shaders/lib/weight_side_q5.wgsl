//: file shaders/lib/weight_side_q5.wgsl
// Side data of blocks of 32 columns with codes of 5 bits: a word with scale (low half) and minimum
// as f16, and the codes' fifth word.

alias Shared = vec4<u32>; // fifth words of a lane's 4 outputs

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return scales[group_block * 16u + 8u + lane];
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let words = scales[group_block * 16u + lane];
  let x = unpack2x16float(words.x);
  let y = unpack2x16float(words.y);
  let z = unpack2x16float(words.z);
  let w = unpack2x16float(words.w);
  return Scales(vec4<f32>(x.x, y.x, z.x, w.x), vec4<f32>(x.y, y.y, z.y, w.y));
}
