//: file shaders/lib/attention_one_team.wgsl
// What attention_teams.wgsl has, where a workgroup is one team, which takes one block after the
// other.
// Twin:  attention_teams.wgsl
// Needs: a text of attention_lanes_subgroup.wgsl or attention_lanes_workgroup.wgsl

const team: u32 = 0u;

fn block_of_team(first: u32, end: u32) -> u32 {
  return first;
}

fn has_block(count: u32) -> bool {
  return true;
}

fn sum_teams(value: Heads) -> Heads {
  return value;
}

fn max_teams(value: Heads) -> Heads {
  return value;
}
