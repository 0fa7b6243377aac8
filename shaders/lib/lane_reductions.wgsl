//: file shaders/lib/lane_reductions.wgsl
// Sums and largest values over lanes, the same in every lane that has a part in them.
// Needs:   a text of attention_lanes_*.wgsl
// Markers: step = of a reduction over all lanes, octet_step = over the 8 lanes of an octet,
// octets_step = over the lanes at one place of every octet.

fn sum_lanes(value: Heads) -> Heads {
  var sum = value;
  sum += shuffle_heads(sum, lane ^ (1u << ${step}u));
  return sum;
}

fn max_lanes(value: Heads) -> Heads {
  var peak = value;
  peak = max(peak, shuffle_heads(peak, lane ^ (1u << ${step}u)));
  return peak;
}

fn sum_lane_floats(value: f32) -> f32 {
  var sum = value;
  sum += shuffle_float(sum, lane ^ (1u << ${step}u));
  return sum;
}

fn max_lane_floats(value: f32) -> f32 {
  var peak = value;
  peak = max(peak, shuffle_float(peak, lane ^ (1u << ${step}u)));
  return peak;
}

fn sum_octet(value: Heads) -> Heads {
  var sum = value;
  sum += shuffle_heads(sum, lane ^ (1u << ${octet_step}u));
  return sum;
}

fn max_octet(value: Heads) -> Heads {
  var peak = value;
  peak = max(peak, shuffle_heads(peak, lane ^ (1u << ${octet_step}u)));
  return peak;
}

fn sum_over_octets(value: Heads) -> Heads {
  var sum = value;
  sum += shuffle_heads(sum, lane ^ (8u << ${octets_step}u));
  return sum;
}
