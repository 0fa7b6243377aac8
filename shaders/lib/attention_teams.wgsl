//: file shaders/lib/attention_teams.wgsl
// Which block of a round a team takes, and sums and largest values over the lanes at one place of
// every team, the same in all of them. All lanes of all teams must take part.
// Twin:  attention_one_team.wgsl
// Needs: a text of attention_lanes_teams_*.wgsl

var<workgroup> team_heads: array<Heads, LANE_COUNT * TEAM_COUNT>;

// A team without a block goes through the last one, for nothing.
fn block_of_team(first: u32, end: u32) -> u32 {
  return min(first + team, end - 1u);
}

fn has_block(count: u32) -> bool {
  return team < count;
}

fn put_for_teams(value: Heads) {
  workgroupBarrier(); // what was put before has been read
  team_heads[team * LANE_COUNT + lane] = value;
  workgroupBarrier();
}

fn sum_teams(value: Heads) -> Heads {
  put_for_teams(value);
  var sum = Heads(0.0);
  for (var other = 0u; other < TEAM_COUNT; other += 1u) {
    sum += team_heads[other * LANE_COUNT + lane];
  }
  return sum;
}

fn max_teams(value: Heads) -> Heads {
  put_for_teams(value);
  var peak = value;
  for (var other = 0u; other < TEAM_COUNT; other += 1u) {
    peak = max(peak, team_heads[other * LANE_COUNT + lane]);
  }
  return peak;
}
