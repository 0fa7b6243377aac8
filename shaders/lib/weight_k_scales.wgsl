//: file shaders/lib/weight_k_scales.wgsl
// Scales and minima of 6 bits of the 8 blocks of 32 columns in a super-block of 256: a word with
// their scales as f16 (of scales in the low half, of minima in the high one), a word with the low 4
// bits of 8 scales, one with those of 8 minima, and one with the high 2 bits of 8 scales (low half)
// and 8 minima.

// Of a lane's 4 outputs.
struct KScales {
  scale: vec4<f32>, // of scales
  minimum: vec4<f32>, // of minima, less than 0
  low: vec4<u32>,
  low_minima: vec4<u32>,
  high: vec4<u32>,
}

fn k_unit(base: vec4<u32>, low: vec4<u32>, low_minima: vec4<u32>, high: vec4<u32>) -> KScales {
  let x = unpack2x16float(base.x);
  let y = unpack2x16float(base.y);
  let z = unpack2x16float(base.z);
  let w = unpack2x16float(base.w);
  let scale = vec4<f32>(x.x, y.x, z.x, w.x);
  return KScales(scale, -vec4<f32>(x.y, y.y, z.y, w.y), low, low_minima, high);
}

// Products are exact.
fn k_scales(unit: KScales, block: u32) -> Scales {
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
