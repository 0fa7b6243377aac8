//: file shaders/sample/parts/chunk_candidates.wgsl
// Second stage of sample/chunks: the mass of each chunk, and its candidates by id.
// Grid: [chunks, rows]

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, vocab]
@group(0) @binding(1) var<storage, read> rows: array<vec4<u32>>; // [rows] slot, position, 0, place
@group(0) @binding(2) var<storage, read> settings_of: array<Settings>; // [slots]
@group(0) @binding(3) var<storage, read> tops: array<Top>; // [rows, chunks]
@group(0) @binding(4) var<storage, read_write> chunks: array<Chunk>; // [rows, chunks]
// [rows, chunks][slots of logits, LOWEST where none is, slots of ids]
@group(0) @binding(5) var<storage, read_write> candidates: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup_id.y * CHUNK_COUNT + workgroup_id.x;
  let settings = settings_of[rows[workgroup_id.y].x];
  var best = Top(LOWEST, VOCAB_SIZE);
  for (var other = lane; other < CHUNK_COUNT; other += WORKGROUP_SIZE) {
    let top = tops[workgroup_id.y * CHUNK_COUNT + other];
    if (top.logit > best.logit || (top.logit == best.logit && top.id < best.id)) {
      best = top;
    }
  }
  join_tops(lane, best.logit, best.id);
  let top = Top(lane_values[0], lane_ids[0]);
  if (is_greedy(settings)) {
    if (lane == 0u) {
      chunks[chunk] = Chunk(top, 0.0, 0.0, 0u);
    }
    return;
  }
  workgroupBarrier(); // every lane has read the top
  top_logit = top.logit;
  inverse_temperature = 1.0 / settings.temperature;
  let row_start = workgroup_id.y * VOCAB_SIZE;
  let chunk_end = min((workgroup_id.x + 1u) * CHUNK_TOKENS, VOCAB_SIZE);
  let run_count = CHUNK_TOKENS / WORKGROUP_SIZE;
  let first = min(workgroup_id.x * CHUNK_TOKENS + lane * run_count, chunk_end);
  let end = min(first + run_count, chunk_end);
  var mass = 0.0;
  var candidate_mass = 0.0;
  var count = 0u;
  for (var id = first; id < end; id++) {
    let weight = weight_of(logits[row_start + id]);
    let is_candidate = weight >= CANDIDATE_WEIGHT;
    mass += weight;
    candidate_mass += select(0.0, weight, is_candidate);
    count += select(0u, 1u, is_candidate);
  }
  mass = sum_lanes(lane, mass);
  candidate_mass = sum_lanes(lane, candidate_mass);
  let behind = count_up_to(lane, count);
  let all_count = lane_ids[WORKGROUP_SIZE - 1u];
  let slots = chunk * 2u * SLOT_COUNT;
  var slot = behind - count;
  for (var id = first; id < end; id++) {
    let logit = logits[row_start + id];
    if (weight_of(logit) >= CANDIDATE_WEIGHT && slot < SLOT_COUNT) {
      candidates[slots + slot] = bitcast<u32>(logit);
      candidates[slots + SLOT_COUNT + slot] = id;
      slot++;
    }
  }
  for (var empty = all_count + lane; empty < SLOT_COUNT; empty += WORKGROUP_SIZE) {
    candidates[slots + empty] = bitcast<u32>(LOWEST);
  }
  if (lane == 0u) {
    chunks[chunk] = Chunk(top, mass, candidate_mass, all_count);
  }
}

// Sum over the lanes up to this one; leaves the same of every lane in lane_ids.
fn count_up_to(lane: u32, own: u32) -> u32 {
  lane_ids[lane] = own;
  workgroupBarrier();
  for (var stride = 1u; stride < WORKGROUP_SIZE; stride <<= 1u) {
    var before = 0u;
    if (lane >= stride) {
      before = lane_ids[lane - stride];
    }
    workgroupBarrier();
    lane_ids[lane] += before;
    workgroupBarrier();
  }
  return lane_ids[lane];
}
