//: file shaders/lib/weight_side_iq4_xs.wgsl
// Side data of super-blocks of 256 columns with scales of 6 bits around 32 for 32 columns: a word
// with the scale of scales as f16 (low half) and the scales' high 2 bits, a word with their low 4.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let at = group_block / 8u * 16u + lane;
  let base = scales[at];
  let block = group_block & 7u;
  let low = (scales[at + 8u] >> vec4<u32>(4u * block)) & vec4<u32>(15u);
  let high = (base >> vec4<u32>(16u + 2u * block)) & vec4<u32>(3u);
  let codes = vec4<i32>(low | (high << vec4<u32>(4u))) - vec4<i32>(32);
  let of_scales = vec4<f32>(
    unpack2x16float(base.x).x,
    unpack2x16float(base.y).x,
    unpack2x16float(base.z).x,
    unpack2x16float(base.w).x,
  );
  return Scales(of_scales * vec4<f32>(codes), vec4<f32>(0.0)); // exact
}
