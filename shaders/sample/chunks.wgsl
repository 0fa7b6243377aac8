//: file shaders/sample/chunks.wgsl
// sample/chunks: what sample/row chooses, in three stages of which two go through the vocabulary
// with many workgroups for each row, so that a GPU is filled
//
// Source:    as shaders/sample/row.wgsl; candidates before the choice as in FlashInfer's sampling
// Binds:     src/kernels/sample/chunks.ts, which appends lib/sample_*.wgsl; the first stages are
//            parts/chunk_tops.wgsl and parts/chunk_candidates.wgsl
// Reference: src/reference/sample.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads, not fewer than chunks
// Precision: as shaders/sample/row.wgsl; sums in another order
//
// The first stages leave the mass of each chunk and its candidates: tokens that are not much less
// likely than the first. A cut by count or mass that lies among them is found among them, and what
// it keeps are candidates. Without any truncation the chunk is drawn by its mass, then a token of
// it. Only what is truncated below the candidates, or has more than there are slots for, as at high
// temperatures, goes through the whole row again.

@group(0) @binding(0) var<storage, read> logits_by_4: array<vec4<f32>>; // [rows, vocab], as 4s
@group(0) @binding(1) var<storage, read> logits: array<f32>; // the same
@group(0) @binding(2) var<storage, read> rows: array<vec4<u32>>; // [rows] slot, position, 0, place
@group(0) @binding(3) var<storage, read> settings_of: array<Settings>; // [slots]
@group(0) @binding(4) var<storage, read_write> ids: array<u32>; // what is chosen, at `place`
@group(0) @binding(5) var<storage, read> chunks: array<Chunk>; // [rows, chunks]
// [rows, chunks][slots of logits, slots of ids], as 4s
@group(0) @binding(6) var<storage, read> candidates: array<vec4<u32>>;

const SLOTS_BY_4: u32 = SLOT_COUNT / 4u;
const TOO_MANY: u32 = 0x1000000u; // above every count of candidates

var<private> is_among_candidates: bool; // elements are slots; else logits
var<private> row_start: u32;
var<private> row_end: u32;
var<private> first_id: u32; // element of id 0, of logits

// Candidates lie in pairs of logits and ids.
fn slots_of(index: u32) -> u32 {
  return index + index / SLOTS_BY_4 * SLOTS_BY_4;
}

fn logit_at(element: u32) -> f32 {
  if (is_among_candidates) {
    return bitcast<f32>(candidates[slots_of(element >> 2u)][element & 3u]);
  }
  return logits[element];
}

fn id_at(element: u32) -> u32 {
  if (is_among_candidates) {
    return candidates[slots_of(element >> 2u) + SLOTS_BY_4][element & 3u];
  }
  return element - first_id;
}

// Rows need not start at a multiple of 4: neighbours of the row count as impossible tokens.
fn load_4(index: u32) -> vec4<f32> {
  if (is_among_candidates) {
    return bitcast<vec4<f32>>(candidates[slots_of(index)]);
  }
  let elements = vec4<u32>(index * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
  let is_inside = (elements >= vec4<u32>(row_start)) & (elements < vec4<u32>(row_end));
  return select(vec4<f32>(LOWEST), logits_by_4[index], is_inside);
}

// Whether what is kept are candidates, and all of them are known.
fn is_within(settings: Settings, is_by_count: bool, all: Chunk) -> bool {
  if (all.candidate_count >= TOO_MANY) {
    return false;
  }
  if (is_by_count) {
    return settings.top_k <= all.candidate_count;
  }
  if (settings.top_p < 1.0) {
    return all.candidate_mass > 1.0001 * settings.top_p * all.mass;
  }
  return settings.min_p >= CANDIDATE_WEIGHT;
}

// Takes a chunk by its mass as the row to draw from; returns where in it the random number falls.
fn choose_chunk(lane: u32, own_mass: f32, share: f32) -> f32 {
  let chunk = choose_lane(lane, own_mass, share);
  let before = sum_before(chunk);
  let mass = lane_values[chunk] - before;
  let wanted = share * lane_values[WORKGROUP_SIZE - 1u] - before;
  row_start = first_id + chunk * CHUNK_TOKENS;
  row_end = min(row_start + CHUNK_TOKENS, first_id + VOCAB_SIZE);
  return clamp(wanted / mass, 0.0, 0.99999994);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup_id.x];
  let settings = settings_of[row.x];
  let first_chunk = workgroup_id.x * CHUNK_COUNT;
  var all = chunks[first_chunk];
  if (is_greedy(settings)) {
    if (lane == 0u) {
      ids[row.w] = all.top.id;
    }
    return;
  }
  var own = Chunk(all.top, 0.0, 0.0, 0u);
  if (lane < CHUNK_COUNT) {
    own = chunks[first_chunk + lane];
  }
  if (lane == 0u) {
    atomicStore(&candidate_count, 0u);
    cut = Cut(0u, NO_LIMIT, u32(MASS_ONE));
  }
  workgroupBarrier();
  let is_over = own.candidate_count > SLOT_COUNT;
  atomicAdd(&candidate_count, select(own.candidate_count, TOO_MANY, is_over));
  all.mass = sum_lanes(lane, own.mass);
  all.candidate_mass = sum_lanes(lane, own.candidate_mass);
  all.candidate_count = atomicLoad(&candidate_count);
  top_logit = all.top.logit;
  inverse_temperature = 1.0 / settings.temperature;
  let is_by_count = settings.top_k > 0u && settings.top_k < VOCAB_SIZE;
  let is_by_mass = settings.top_p < 1.0;
  is_among_candidates = is_within(settings, is_by_count, all);
  first_id = workgroup_id.x * VOCAB_SIZE;
  let element_count = select(VOCAB_SIZE, CHUNK_COUNT * SLOT_COUNT, is_among_candidates);
  row_start = workgroup_id.x * element_count;
  row_end = row_start + element_count;
  var share = random_share(settings.seed, row.y);
  let mass_scale = MASS_ONE / all.mass;
  if (is_by_count) {
    find_cut(lane, mass_scale, settings, true);
  }
  if (is_by_mass) {
    find_cut(lane, mass_scale, settings, false);
  }
  if (!is_by_count && !is_by_mass && settings.min_p <= 0.0) {
    share = choose_chunk(lane, own.mass, share);
    workgroupBarrier(); // every lane has read the sums
  }
  draw(lane, row.w, share, settings.min_p);
}

var<workgroup> candidate_count: atomic<u32>; // TOO_MANY and more if a chunk has too few slots
