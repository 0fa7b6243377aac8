//: file shaders/lib/weight_side_q3k.wgsl
// Side data of super-blocks of 256 columns with codes of 3 bits around 4 and a scale of 6 bits
// around 32 for each 16 columns: the super-block's scale as f16, two rows in a word; for each row
// two words with the scales' low 4 bits and one with their high 2; for each block of 32 columns a
// word with the highest bit of each column's code.

// Of a lane's 4 outputs.
struct Shared {
  high: vec4<u32>, // highest bits of the codes
  low_scales: vec4<u32>, // low bits of both scales, in the low byte
  high_scales: vec4<u32>, // high bits of both, in the low 4 bits
}

fn load_shared(group_block: u32, lane: u32) -> Shared {
  let block = group_block & 7u;
  let at = group_block / 8u * 92u + 4u + lane;
  return Shared(
    scales[at + 24u + block * 8u],
    scales[at + block / 4u * 8u] >> vec4<u32>((block & 3u) * 8u),
    scales[at + 16u] >> vec4<u32>(block * 4u),
  );
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let pairs = scales[group_block / 8u * 92u + lane / 2u];
  let words = select(pairs.xy, pairs.zw, (lane & 1u) > 0u);
  let scale = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
  return Scales(scale, vec4<f32>(0.0));
}

// Of a super-block.
struct Unit {
  scale: vec4<f32>,
  low_scales: array<vec4<u32>, 2>, // of blocks 0 to 3 and 4 to 7
  high_scales: vec4<u32>,
}

fn load_unit(unit: u32, lane: u32) -> Unit {
  let at = unit * 92u + 4u + lane;
  let low_scales = array<vec4<u32>, 2>(scales[at], scales[at + 8u]);
  return Unit(load_scales(unit * 8u, lane).scale, low_scales, scales[at + 16u]);
}

fn shared_of(unit: Unit, group_block: u32, lane: u32) -> Shared {
  let block = group_block & 7u;
  let low = select(unit.low_scales[0], unit.low_scales[1], block > 3u);
  return Shared(
    scales[group_block / 8u * 92u + 28u + lane + block * 8u],
    low >> vec4<u32>((block & 3u) * 8u),
    unit.high_scales >> vec4<u32>(block * 4u),
  );
}

fn scales_of(unit: Unit, block: u32) -> Scales {
  return Scales(unit.scale, vec4<f32>(0.0));
}
