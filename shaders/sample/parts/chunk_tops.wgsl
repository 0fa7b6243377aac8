//: file shaders/sample/parts/chunk_tops.wgsl
// First stage of sample/chunks: the most likely token of each chunk.
// Grid: [chunks, rows]

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, vocab]
@group(0) @binding(1) var<storage, read_write> tops: array<Top>; // [rows, chunks]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row_start = workgroup_id.y * VOCAB_SIZE;
  let first = workgroup_id.x * CHUNK_TOKENS;
  let end = min(first + CHUNK_TOKENS, VOCAB_SIZE);
  var best = Top(LOWEST, first);
  for (var id = first + lane; id < end; id += WORKGROUP_SIZE) {
    let logit = logits[row_start + id];
    if (logit > best.logit) {
      best = Top(logit, id);
    }
  }
  join_tops(lane, best.logit, best.id);
  if (lane == 0u) {
    tops[workgroup_id.y * CHUNK_COUNT + workgroup_id.x] = Top(lane_values[0], lane_ids[0]);
  }
}
