// Exchange between the lanes of a workgroup that is one subgroup, or part of one.
// Twin:  attention_lanes_workgroup.wgsl, where subgroups cannot be used
// Needs: LANES, Heads

fn shuffle_word(value: u32, source: u32) -> u32 {
  return subgroupShuffle(value, source);
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return subgroupShuffle(value, source);
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  return subgroupShuffle(value, source);
}
