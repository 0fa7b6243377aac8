//: file shaders/lib/banded_turn_lockstep.wgsl
// The next turn, known to every lane: what shuffles gave is the same in all of them.
// Twins: banded_turn_uniform.wgsl, where lanes may drift apart, or a compiler asks;
//        banded_turn_teams.wgsl, where a workgroup is several teams

fn shared_next(turn: Turn, is_more: bool, has_high: bool) -> Turn {
  return next_turn(turn, is_more, has_high);
}
