//: file shaders/lib/banded_turn_teams.wgsl
// The next turn, known to every lane of every team: all stay at the same row, and have as many
// turns at it as the team that needs most. Begins and ends with a barrier.
// Twins: banded_turn_lockstep.wgsl, banded_turn_uniform.wgsl, where there is one team

var<workgroup> needs_of_team: array<u32, TEAM_COUNT>; // 1: its row goes on; 2: it has high digits
var<workgroup> turn_of_all: Turn;

fn shared_next(turn: Turn, is_more: bool, has_high: bool) -> Turn {
  if (lane == 0u) {
    needs_of_team[team] = select(0u, 1u, is_more) | select(0u, 2u, has_high);
  }
  workgroupBarrier();
  if (lane == 0u && team == 0u) {
    var needs = 0u;
    for (var each = 0u; each < TEAM_COUNT; each += 1u) {
      needs |= needs_of_team[each];
    }
    turn_of_all = next_turn(turn, (needs & 1u) != 0u, (needs & 2u) != 0u);
  }
  return workgroupUniformLoad(&turn_of_all);
}
