//: file shaders/lib/weight_side_q2k.wgsl
// Side data of super-blocks of 256 columns with codes of 2 bits: for each row a word with the f16
// scales of scales (low half) and of minima, then four words with a byte for each 16 columns: scale
// (low half) and minimum. Values come scaled from the codes.

// Of a lane's 4 outputs.
struct Shared {
  base: vec4<u32>,
  scales: vec4<u32>, // of columns 0 to 15 and 16 to 31, in the low and the next byte
}

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return shared_of(load_unit(group_block / 8u, lane), group_block, lane);
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return Scales(vec4<f32>(1.0), vec4<f32>(0.0));
}

// Of a super-block: all but what is of two blocks.
alias Unit = vec4<u32>;

fn load_unit(unit: u32, lane: u32) -> Unit {
  return scales[unit * 40u + lane];
}

fn shared_of(base: Unit, group_block: u32, lane: u32) -> Shared {
  let block = group_block & 7u;
  let two_blocks = scales[group_block / 8u * 40u + lane + 8u + block / 2u * 8u];
  return Shared(base, two_blocks >> vec4<u32>((block & 1u) * 16u));
}

fn scales_of(base: Unit, block: u32) -> Scales {
  return Scales(vec4<f32>(1.0), vec4<f32>(0.0));
}
