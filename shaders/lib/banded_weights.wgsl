//: file shaders/lib/banded_weights.wgsl
// Leaves the largest score and the sum of weights of a split of one block.
// Needs: what attention_decode/banded.wgsl has
fn sum_weights(workgroup: vec3<u32>, round: Round, peaks: Softmax) -> Softmax {
  var total${heads} = Heads(0.0);
  for (var row = 0u; row < 8u; row += 1u) {
    total${heads} += exp(scores${heads}[row * 8u + (lane & 7u)] - peaks.peak${heads});
  }
  total${heads} = sum_octet(total${heads});
  for (var sink = 0u; sink < round.sink_count; sink += 1u) {
    total${heads} += exp(sink_scores${heads}[sink] - peaks.peak${heads});
  }
  if (is_first_lane()) {
    store_partial_${heads}(workgroup, workgroup.y, 0u, peaks.peak${heads});
    store_partial_${heads}(workgroup, workgroup.y, 1u, total${heads});
  }
  return peaks;
}
