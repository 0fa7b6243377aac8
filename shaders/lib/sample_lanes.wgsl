//: file shaders/lib/sample_lanes.wgsl
// Reductions over the lanes of a workgroup that goes through logits. All lanes must take part.

override WORKGROUP_SIZE: u32 = 64u; // power of two, at least 16
override VOCAB_SIZE: u32;

var<workgroup> lane_values: array<f32, WORKGROUP_SIZE>;
var<workgroup> lane_ids: array<u32, WORKGROUP_SIZE>;

// The largest value and its id, of equal ones the lowest, into lane_values[0] and lane_ids[0].
fn join_tops(lane: u32, own_value: f32, own_id: u32) {
  lane_values[lane] = own_value;
  lane_ids[lane] = own_id;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      let value = lane_values[lane + stride];
      let id = lane_ids[lane + stride];
      let is_equal = value == lane_values[lane] && id < lane_ids[lane];
      if (value > lane_values[lane] || is_equal) {
        lane_values[lane] = value;
        lane_ids[lane] = id;
      }
    }
    workgroupBarrier();
  }
}

fn sum_lanes(lane: u32, own: f32) -> f32 {
  lane_values[lane] = own;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      lane_values[lane] += lane_values[lane + stride];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&lane_values[0]);
}
