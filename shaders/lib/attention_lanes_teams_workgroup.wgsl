//: file shaders/lib/attention_lanes_teams_workgroup.wgsl
// Entry point and exchange between lanes through workgroup memory, where a workgroup is TEAM_COUNT
// teams of LANE_COUNT lanes. All lanes of all teams must take part.
// Twin:  attention_lanes_teams_subgroup.wgsl, which is many times faster
// Needs: LANE_COUNT, TEAM_COUNT, Heads, run(); attention_teams.wgsl

var<private> lane: u32; // 0 to LANE_COUNT - 1
var<private> team: u32; // 0 to TEAM_COUNT - 1
var<workgroup> exchange_words: array<u32, LANE_COUNT * TEAM_COUNT>;
var<workgroup> exchange_heads: array<Heads, LANE_COUNT * TEAM_COUNT>;

@compute @workgroup_size(LANE_COUNT * TEAM_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  lane = index & (LANE_COUNT - 1u);
  team = index / LANE_COUNT;
  run(workgroup_id);
}

fn shuffle_word(value: u32, source: u32) -> u32 {
  workgroupBarrier();
  exchange_words[team * LANE_COUNT + lane] = value;
  workgroupBarrier();
  return exchange_words[team * LANE_COUNT + source];
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return bitcast<f32>(shuffle_word(bitcast<u32>(value), source));
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  workgroupBarrier();
  exchange_heads[team * LANE_COUNT + lane] = value;
  workgroupBarrier();
  return exchange_heads[team * LANE_COUNT + source];
}
