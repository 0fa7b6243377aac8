//: file shaders/lib/weight_side_q4k.wgsl
// Side data of super-blocks of 256 columns with codes of 4 bits: four words for each row, as
// shaders/lib/weight_k_scales.wgsl says, which is appended.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return k_scales(load_unit(group_block / 8u, lane), group_block & 7u);
}

fn load_unit(unit: u32, lane: u32) -> KScales {
  let at = unit * 32u + lane;
  return k_unit(scales[at], scales[at + 8u], scales[at + 16u], scales[at + 24u]);
}

fn shared_of(unit: KScales, group_block: u32, lane: u32) -> Shared {
  return load_shared(group_block, lane);
}

fn scales_of(unit: KScales, block: u32) -> Scales {
  return k_scales(unit, block);
}
