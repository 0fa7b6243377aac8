//: file shaders/lib/weight_side_q5_0.wgsl
// Side data of blocks of 32 columns with codes of 5 bits around 16: the scale as f16, two rows in a
// word, then for each row the codes' fifth word.

alias Shared = vec4<u32>; // fifth words of a lane's 4 outputs

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return scales[group_block * 12u + 4u + lane];
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let pairs = scales[group_block * 12u + lane / 2u];
  let words = select(pairs.xy, pairs.zw, (lane & 1u) > 0u);
  let scale = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
  return Scales(scale, vec4<f32>(0.0));
}
