//: file shaders/lib/banded_turn_uniform.wgsl
// The next turn, known to every lane: that of lane 0. Begins and ends with a barrier.
// Twins: banded_turn_lockstep.wgsl, for lanes that run in lockstep; banded_turn_teams.wgsl, where a
//        workgroup is several teams

var<workgroup> turn_of_lane_0: Turn;

fn shared_next(turn: Turn, is_more: bool, has_high: bool) -> Turn {
  if (lane == 0u) {
    turn_of_lane_0 = next_turn(turn, is_more, has_high);
  }
  return workgroupUniformLoad(&turn_of_lane_0);
}
