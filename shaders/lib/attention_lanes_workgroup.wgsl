// Exchange between the lanes of a workgroup through its memory. Call in uniform control flow.
// Twin:  attention_lanes_subgroup.wgsl
// Needs: LANES, Heads

var<workgroup> exchange_words: array<u32, LANES>;
var<workgroup> exchange_heads: array<Heads, LANES>;

fn shuffle_word(value: u32, source: u32) -> u32 {
  workgroupBarrier();
  exchange_words[lane_index] = value;
  workgroupBarrier();
  return exchange_words[source];
}

fn shuffle_float(value: f32, source: u32) -> f32 {
  return bitcast<f32>(shuffle_word(bitcast<u32>(value), source));
}

fn shuffle_heads(value: Heads, source: u32) -> Heads {
  workgroupBarrier();
  exchange_heads[lane_index] = value;
  workgroupBarrier();
  return exchange_heads[source];
}
