//: file shaders/lib/weight_side_iq4_xs.wgsl
// Side data of super-blocks of 256 columns with scales of 6 bits around 32 for 32 columns: a word
// with the scale of scales as f16 (low half) and the scales' high 2 bits, a word with their low 4.

// Of a lane's 4 outputs.
struct Unit {
  scale: vec4<f32>, // of scales
  base: vec4<u32>,
  low: vec4<u32>,
}

fn load_unit(unit: u32, lane: u32) -> Unit {
  let at = unit * 16u + lane;
  let base = scales[at];
  let scale = vec4<f32>(
    unpack2x16float(base.x).x,
    unpack2x16float(base.y).x,
    unpack2x16float(base.z).x,
    unpack2x16float(base.w).x,
  );
  return Unit(scale, base, scales[at + 8u]);
}

fn shared_of(unit: Unit, group_block: u32, lane: u32) -> Shared {
  return load_shared(group_block, lane);
}

fn scales_of(unit: Unit, block: u32) -> Scales {
  let low = (unit.low >> vec4<u32>(4u * block)) & vec4<u32>(15u);
  let high = (unit.base >> vec4<u32>(16u + 2u * block)) & vec4<u32>(3u);
  let codes = vec4<i32>(low | (high << vec4<u32>(4u))) - vec4<i32>(32);
  return Scales(unit.scale * vec4<f32>(codes), vec4<f32>(0.0)); // exact
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return scales_of(load_unit(group_block / 8u, lane), group_block & 7u);
}
