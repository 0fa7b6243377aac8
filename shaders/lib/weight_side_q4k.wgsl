//: file shaders/lib/weight_side_q4k.wgsl
// Side data of super-blocks of 256 columns with codes of 4 bits: four words for each row, as
// shaders/lib/weight_k_scales.wgsl says, which is appended.

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let at = group_block / 8u * 32u + lane;
  return k_scales(
    scales[at],
    scales[at + 8u],
    scales[at + 16u],
    scales[at + 24u],
    group_block & 7u,
  );
}
