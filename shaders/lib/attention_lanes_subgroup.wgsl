//: file shaders/lib/attention_lanes_subgroup.wgsl
// Entry point and exchange between lanes where a workgroup is one subgroup, or a part of one.
// Twin:  attention_lanes_workgroup.wgsl, for adapters whose subgroups cannot be used
// Needs: LANE_COUNT, Heads, run()

var<private> lane: u32; // 0 to LANE_COUNT - 1

@compute @workgroup_size(LANE_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(subgroup_invocation_id) index: u32,
) {
  lane = index;
  run(workgroup_id);
}

fn shuffle_word(value: u32, source: u32) -> u32 {
  return subgroupShuffle(value, source);
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return subgroupShuffle(value, source);
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  return subgroupShuffle(value, source);
}
