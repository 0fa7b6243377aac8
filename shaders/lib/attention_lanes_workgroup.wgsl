//: file shaders/lib/attention_lanes_workgroup.wgsl
// Entry point and exchange between lanes through workgroup memory. All lanes must take part.
// Twin:  attention_lanes_subgroup.wgsl, which is many times faster
// Needs: LANE_COUNT, Heads, run()

var<private> lane: u32; // 0 to LANE_COUNT - 1
var<workgroup> exchange_words: array<u32, LANE_COUNT>;
var<workgroup> exchange_heads: array<Heads, LANE_COUNT>;

@compute @workgroup_size(LANE_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  lane = index;
  run(workgroup_id);
}

fn shuffle_word(value: u32, source: u32) -> u32 {
  workgroupBarrier();
  exchange_words[lane] = value;
  workgroupBarrier();
  return exchange_words[source];
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return bitcast<f32>(shuffle_word(bitcast<u32>(value), source));
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  workgroupBarrier();
  exchange_heads[lane] = value;
  workgroupBarrier();
  return exchange_heads[source];
}
