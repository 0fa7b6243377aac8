//: file shaders/lib/weight_side_mxfp4.wgsl
// Side data of blocks of 32 columns with floats of 4 bits: the exponent of the scale, of a lane's 4
// rows in one word. The table holds twice the values of the floats, so scales are halved.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let words = scales[group_block * 2u + lane / 4u];
  let pair = select(words.xy, words.zw, (lane & 2u) > 0u);
  let word = select(pair.x, pair.y, (lane & 1u) > 0u);
  let exponent = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
  // 2^(exponent - 128), of which the least two are subnormal.
  let normal = (max(exponent, vec4<u32>(1u)) - vec4<u32>(1u)) << vec4<u32>(23u);
  let subnormal = vec4<u32>(0x00200000u) << min(exponent, vec4<u32>(1u));
  let bits = select(normal, subnormal, exponent < vec4<u32>(2u));
  return Scales(bitcast<vec4<f32>>(bits), vec4<f32>(0.0));
}
