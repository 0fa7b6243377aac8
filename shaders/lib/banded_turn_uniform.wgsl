//: file shaders/lib/banded_turn_uniform.wgsl
// The next turn, known to every lane: that of lane 0. Begins and ends with a barrier.
// Twin:  banded_turn_lockstep.wgsl, for lanes that run in lockstep

var<workgroup> turn_of_lane_0: Turn;

fn shared_turn(turn: Turn) -> Turn {
  if (lane == 0u) {
    turn_of_lane_0 = turn;
  }
  return workgroupUniformLoad(&turn_of_lane_0);
}
