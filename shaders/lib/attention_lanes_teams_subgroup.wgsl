//: file shaders/lib/attention_lanes_teams_subgroup.wgsl
// Entry point and exchange between lanes where a workgroup is TEAM_COUNT teams of LANE_COUNT lanes,
// each a subgroup or an aligned part of one.
// Twin:  attention_lanes_teams_workgroup.wgsl, for adapters whose subgroups cannot be used
// Needs: LANE_COUNT, TEAM_COUNT, Heads, run(); attention_teams.wgsl

var<private> lane: u32; // 0 to LANE_COUNT - 1
var<private> team: u32; // 0 to TEAM_COUNT - 1
var<private> first_lane: u32; // of the team, in its subgroup

@compute @workgroup_size(LANE_COUNT * TEAM_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  lane = subgroup_lane & (LANE_COUNT - 1u);
  team = index / LANE_COUNT;
  first_lane = subgroup_lane - lane;
  run(workgroup_id);
}

fn shuffle_word(value: u32, source: u32) -> u32 {
  return subgroupShuffle(value, first_lane + source);
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return subgroupShuffle(value, first_lane + source);
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  return subgroupShuffle(value, first_lane + source);
}
