//: file shaders/sample/row.wgsl
// sample/row: ids[place] = one token drawn from softmax(logits[row, :] / temperature), truncated
//
// Source:    Holtzman et al. 2020, arXiv:1904.09751 (top-p); Nguyen et al. 2024, arXiv:2407.01082
//            (min-p)
// Binds:     src/kernels/sample/row.ts
// Reference: src/reference/sample.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over the vocabulary
// Precision: f32; sums that decide the truncation in units of 2^-31 of the whole mass
//
// Tokens are ranked by logit, then by lowest id. Every truncation keeps a first part of the
// ranking: top-k the first k, top-p the fewest whose mass reaches p of what top-k kept, min-p those
// at least min_p times as likely as the first. So what is kept is one cut: all tokens whose key
// (the logit as an integer of the same order) is above cut.key, and the first cut.tie_count of
// those equal to it. Append lib/sample_*.wgsl: cut finds it.

@group(0) @binding(0) var<storage, read> logits_by_4: array<vec4<f32>>; // [rows, vocab], as 4s
@group(0) @binding(1) var<storage, read> logits: array<f32>; // the same
@group(0) @binding(2) var<storage, read> rows: array<vec4<u32>>; // [rows] slot, position, 0, place
@group(0) @binding(3) var<storage, read> settings_of: array<Settings>; // [slots]
@group(0) @binding(4) var<storage, read_write> ids: array<u32>; // what is chosen, at `place`

var<private> row_start: u32;
var<private> row_end: u32;

fn logit_at(element: u32) -> f32 {
  return logits[element];
}

fn id_at(element: u32) -> u32 {
  return element - row_start;
}

// Rows need not start at a multiple of 4: neighbours of the row count as impossible tokens.
fn load_4(index: u32) -> vec4<f32> {
  let elements = vec4<u32>(index * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
  let is_inside = (elements >= vec4<u32>(row_start)) & (elements < vec4<u32>(row_end));
  return select(vec4<f32>(LOWEST), logits_by_4[index], is_inside);
}

// The most likely token of the row, into lane_values[0] and lane_ids[0].
fn find_top(lane: u32) {
  var best = LOWEST;
  var best_element = row_start;
  for (var i = first_4() + lane; i < end_4(); i += WORKGROUP_SIZE) {
    let values = load_4(i);
    let highest = max(max(values.x, values.y), max(values.z, values.w));
    if (highest > best) {
      best = highest;
      let component = select(
        select(2u, 3u, values.z != highest),
        select(0u, 1u, values.x != highest),
        values.x == highest || values.y == highest,
      );
      best_element = i * 4u + component;
    }
  }
  join_tops(lane, best, best_element - row_start);
}

// The weight of all tokens of the row.
fn sum_weights(lane: u32) -> f32 {
  var sum = 0.0;
  for (var i = first_4() + lane; i < end_4(); i += WORKGROUP_SIZE) {
    sum += dot(weights_of(load_4(i)), vec4<f32>(1.0));
  }
  return sum_lanes(lane, sum);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup_id.x];
  let settings = settings_of[row.x];
  row_start = workgroup_id.x * VOCAB_SIZE;
  row_end = row_start + VOCAB_SIZE;
  find_top(lane);
  if (is_greedy(settings)) {
    if (lane == 0u) {
      ids[row.w] = lane_ids[0];
    }
    return;
  }
  top_logit = workgroupUniformLoad(&lane_values[0]);
  inverse_temperature = 1.0 / settings.temperature;
  if (lane == 0u) {
    cut = Cut(0u, NO_LIMIT, u32(MASS_ONE));
  }
  let is_by_count = settings.top_k > 0u && settings.top_k < VOCAB_SIZE;
  let is_by_mass = settings.top_p < 1.0;
  if (is_by_count || is_by_mass) {
    let mass_scale = MASS_ONE / sum_weights(lane);
    // By count, then by mass; one call, as compilers put the whole search in the place of each.
    for (var turn = 0u; turn < 2u; turn++) {
      let by_count = turn == 0u;
      if (select(is_by_mass, is_by_count, by_count)) {
        find_cut(lane, mass_scale, settings, by_count);
      }
    }
  }
  draw(lane, row.w, random_share(settings.seed, row.y), settings.min_p);
}
