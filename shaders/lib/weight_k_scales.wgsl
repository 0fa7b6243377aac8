//: file shaders/lib/weight_k_scales.wgsl
// Scales and minima of 6 bits of the 8 blocks of 32 columns in a super-block of 256: a word with
// their scales as f16 (of scales in the low half, of minima in the high one), a word with the low 4
// bits of 8 scales, one with those of 8 minima, and one with the high 2 bits of 8 scales (low half)
// and 8 minima. UNIT_VECTORS, put before this, leads from a super-block's side data to the next.

// Of a lane's 4 outputs.
struct KScales {
  scale: vec4<f32>, // of scales
  minimum: vec4<f32>, // of minima, less than 0
  low: vec4<u32>,
  low_minima: vec4<u32>,
  high: vec4<u32>,
}

fn load_unit(unit: u32, lane: u32) -> KScales {
  let at = unit * UNIT_VECTORS + lane;
  let base = scales[at];
  let x = unpack2x16float(base.x);
  let y = unpack2x16float(base.y);
  let z = unpack2x16float(base.z);
  let w = unpack2x16float(base.w);
  let scale = vec4<f32>(x.x, y.x, z.x, w.x);
  let minimum = -vec4<f32>(x.y, y.y, z.y, w.y);
  return KScales(scale, minimum, scales[at + 8u], scales[at + 16u], scales[at + 24u]);
}

// Products are exact.
fn scales_of(unit: KScales, block: u32) -> Scales {
  let four = vec4<u32>(4u * block);
  let two = vec4<u32>(2u * block);
  let codes = (unit.low >> four) & vec4<u32>(15u);
  let minima = (unit.low_minima >> four) & vec4<u32>(15u);
  let high = unit.high >> two;
  let high_codes = (high << vec4<u32>(4u)) & vec4<u32>(48u);
  let high_minima = (high >> vec4<u32>(12u)) & vec4<u32>(48u);
  return Scales(
    unit.scale * vec4<f32>(vec4<i32>(codes | high_codes)),
    unit.minimum * vec4<f32>(vec4<i32>(minima | high_minima)),
  );
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return scales_of(load_unit(group_block / 8u, lane), group_block & 7u);
}

fn shared_of(unit: KScales, group_block: u32, lane: u32) -> Shared {
  return load_shared(group_block, lane);
}
