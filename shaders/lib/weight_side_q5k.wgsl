//: file shaders/lib/weight_side_q5k.wgsl
// Side data of super-blocks of 256 columns with codes of 5 bits: four words for each row, as
// shaders/lib/weight_k_scales.wgsl says, which is appended, then for each block of 32 columns the
// codes' fifth word.

alias Shared = vec4<u32>; // fifth words of a lane's 4 outputs

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return scales[group_block / 8u * UNIT_VECTORS + (4u + (group_block & 7u)) * 8u + lane];
}
