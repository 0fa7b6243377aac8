//: file shaders/lib/banded_turn_lockstep.wgsl
// The next turn, known to every lane: what shuffles gave is the same in all of them.
// Twin:  banded_turn_uniform.wgsl, where lanes may drift apart, or a compiler asks

fn shared_turn(turn: Turn) -> Turn {
  return turn;
}
