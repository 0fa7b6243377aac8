//: file shaders/lib/weight_k_scales.wgsl
// Scales and minima of 6 bits of the 8 blocks of 32 columns in a super-block of 256: a word with
// their scales as f16 (of scales in the low half, of minima in the high one), a word with the low 4
// bits of 8 scales, one with those of 8 minima, and one with the high 2 bits of all: byte k has
// those of the scales of blocks 2 * k and 2 * k + 1, then of the minima of both. So codes of 4
// blocks are put together at once. UNIT_VECTORS, put before this, leads from a super-block's side
// data to the next.

// Of a lane's 4 outputs.
struct KScales {
  scale: vec4<f32>, // of scales
  minimum: vec4<f32>, // of minima, less than 0
  codes: vec4<u32>, // of blocks 0, 2, 4 and 6, a byte each
  odd_codes: vec4<u32>, // of blocks 1, 3, 5 and 7
  minima: vec4<u32>,
  odd_minima: vec4<u32>,
}

fn load_unit(unit: u32, lane: u32) -> KScales {
  let at = unit * UNIT_VECTORS + lane;
  let base = scales[at];
  let x = unpack2x16float(base.x);
  let y = unpack2x16float(base.y);
  let z = unpack2x16float(base.z);
  let w = unpack2x16float(base.w);
  let low = scales[at + 8u];
  let low_minima = scales[at + 16u];
  let high = scales[at + 24u];
  let nibbles = vec4<u32>(0x0f0f0f0fu);
  let pairs = vec4<u32>(0x30303030u);
  return KScales(
    vec4<f32>(x.x, y.x, z.x, w.x),
    -vec4<f32>(x.y, y.y, z.y, w.y),
    (low & nibbles) | ((high << vec4<u32>(4u)) & pairs),
    ((low >> vec4<u32>(4u)) & nibbles) | ((high << vec4<u32>(2u)) & pairs),
    (low_minima & nibbles) | (high & pairs),
    ((low_minima >> vec4<u32>(4u)) & nibbles) | ((high >> vec4<u32>(2u)) & pairs),
  );
}

// Products are exact.
fn scales_of(unit: KScales, block: u32) -> Scales {
  let is_odd = (block & 1u) > 0u;
  let place = vec4<u32>(8u * (block / 2u));
  let codes = select(unit.codes, unit.odd_codes, is_odd) >> place;
  let minima = select(unit.minima, unit.odd_minima, is_odd) >> place;
  return Scales(
    unit.scale * vec4<f32>(vec4<i32>(codes & vec4<u32>(63u))),
    unit.minimum * vec4<f32>(vec4<i32>(minima & vec4<u32>(63u))),
  );
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return scales_of(load_unit(group_block / 8u, lane), group_block & 7u);
}

// Scale and minimum of one of a lane's 4 outputs, by the same operations.
fn load_scale(group_block: u32, lane: u32, output: u32) -> vec2<f32> {
  let at = group_block / 8u * UNIT_VECTORS + lane;
  let base = unpack2x16float(scales[at][output]);
  let low = scales[at + 8u][output];
  let low_minimum = scales[at + 16u][output];
  let high = scales[at + 24u][output];
  let is_odd = (group_block & 1u) > 0u;
  let nibbles = select(0u, 4u, is_odd);
  let place = 8u * ((group_block & 7u) / 2u);
  let code = ((low >> nibbles) & 0x0f0f0f0fu) | ((high << (4u - nibbles / 2u)) & 0x30303030u);
  let minimum = ((low_minimum >> nibbles) & 0x0f0f0f0fu) | ((high >> (nibbles / 2u)) & 0x30303030u);
  return vec2<f32>(
    base.x * f32(i32((code >> place) & 63u)),
    -base.y * f32(i32((minimum >> place) & 63u)),
  );
}

fn shared_of(unit: KScales, group_block: u32, lane: u32) -> Shared {
  return load_shared(group_block, lane);
}
