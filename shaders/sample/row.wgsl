//: file shaders/sample/row.wgsl
// sample/row: ids[place] = one token drawn from softmax(logits[row, :] / temperature), truncated
//
// Source:    Holtzman et al. 2020, arXiv:1904.09751 (top-p); Nguyen et al. 2024, arXiv:2407.01082
//            (min-p); Jarzynski & Olano 2020, JCGT 9(3), pcg2d (random numbers)
// Binds:     src/kernels/sample/row.ts
// Reference: src/reference/sample.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over the vocabulary
// Precision: f32; sums that decide the truncation in units of 2^-31 of the whole mass
//
// Tokens are ranked by logit, then by lowest id. Every truncation keeps a first part of the
// ranking: top-k the first k, top-p the fewest whose mass reaches p of what top-k kept, min-p those
// at least min_p times as likely as the first. So what is kept is one cut: all tokens whose key
// (the logit as an integer of the same order) is above cut.key, and the first cut.tie_count of
// those equal to it. Append lib/sample_cut.wgsl, which finds it.

override WORKGROUP_SIZE: u32 = 64u; // power of two, at least 16
override VOCAB_SIZE: u32;

const LOWEST: f32 = -3.4028234e38;
const TEMPERATURE_MIN: f32 = 1e-5; // below: greedy
const EXPONENT_MIN: f32 = -87.0; // weights below exp of it are 0
const MASS_ONE: f32 = 2147483648.0; // the whole mass, in the units of `masses`
const NO_LIMIT: u32 = 0xffffffffu;

struct Settings {
  temperature: f32,
  top_p: f32,
  min_p: f32,
  top_k: u32,
  seed: u32,
  unused: array<u32, 3>,
}

// Kept are the keys above `key`, and `tie_count` of those equal to it, lowest ids first.
struct Cut {
  key: u32,
  tie_count: u32,
  mass: u32, // of what is kept
}

@group(0) @binding(0) var<storage, read> logits_by_4: array<vec4<f32>>; // [rows, vocab], as 4s
@group(0) @binding(1) var<storage, read> logits: array<f32>; // the same
@group(0) @binding(2) var<storage, read> rows: array<vec4<u32>>; // [rows] slot, position, 0, place
@group(0) @binding(3) var<storage, read> settings_of: array<Settings>; // [slots]
@group(0) @binding(4) var<storage, read_write> ids: array<u32>; // what is chosen, at `place`

var<workgroup> lane_values: array<f32, WORKGROUP_SIZE>;
var<workgroup> lane_ids: array<u32, WORKGROUP_SIZE>;
var<workgroup> cut: Cut;
var<workgroup> chosen_lane: atomic<u32>;

var<private> row_start: u32;
var<private> row_end: u32;
var<private> top_logit: f32;
var<private> inverse_temperature: f32;

fn ordered_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn value_of_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
}

// Relative to the most likely token, whose weight is 1.
fn weight_of(logit: f32) -> f32 {
  let exponent = (logit - top_logit) * inverse_temperature;
  return select(0.0, exp(exponent), exponent > EXPONENT_MIN);
}

fn weights_of(values: vec4<f32>) -> vec4<f32> {
  let exponents = (values - top_logit) * inverse_temperature;
  return select(vec4<f32>(0.0), exp(exponents), exponents > vec4<f32>(EXPONENT_MIN));
}

// Rows need not start at a multiple of 4: neighbours of the row count as impossible tokens.
fn load_4(index: u32) -> vec4<f32> {
  let elements = vec4<u32>(index * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
  let is_inside = (elements >= vec4<u32>(row_start)) & (elements < vec4<u32>(row_end));
  return select(vec4<f32>(LOWEST), logits_by_4[index], is_inside);
}

fn first_4() -> u32 {
  return row_start >> 2u;
}

fn end_4() -> u32 {
  return (row_end + 3u) >> 2u;
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
  lane_values[lane] = best;
  lane_ids[lane] = best_element - row_start;
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

// The weight of all tokens of the row.
fn sum_weights(lane: u32) -> f32 {
  var sum = 0.0;
  for (var i = first_4() + lane; i < end_4(); i += WORKGROUP_SIZE) {
    sum += dot(weights_of(load_4(i)), vec4<f32>(1.0));
  }
  lane_values[lane] = sum;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      lane_values[lane] += lane_values[lane + stride];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&lane_values[0]);
}

// How many of a lane's ties are kept, if the first `limit` of all lanes' are.
fn share_ties(lane: u32, tie_count: u32, limit: u32) -> u32 {
  lane_ids[lane] = tie_count;
  workgroupBarrier();
  if (lane == 0u) {
    var left_count = limit;
    for (var other = 0u; other < WORKGROUP_SIZE; other++) {
      let kept_count = min(lane_ids[other], left_count);
      lane_ids[other] = kept_count;
      left_count -= kept_count;
    }
  }
  workgroupBarrier();
  return lane_ids[lane];
}

// The lane in whose run the cumulated sum passes `share` of the total; leaves inclusive sums in
// lane_values. Rounding may let two runs claim the point: the lower one has it.
fn choose_lane(lane: u32, sum: f32, share: f32) -> u32 {
  lane_values[lane] = sum;
  if (lane == 0u) {
    atomicStore(&chosen_lane, WORKGROUP_SIZE - 1u);
  }
  workgroupBarrier();
  for (var stride = 1u; stride < WORKGROUP_SIZE; stride <<= 1u) {
    var before = 0.0;
    if (lane >= stride) {
      before = lane_values[lane - stride];
    }
    workgroupBarrier();
    lane_values[lane] += before;
    workgroupBarrier();
  }
  let wanted = share * lane_values[WORKGROUP_SIZE - 1u];
  if (sum > 0.0 && sum_before(lane) <= wanted && wanted < lane_values[lane]) {
    atomicMin(&chosen_lane, lane);
  }
  workgroupBarrier();
  return atomicLoad(&chosen_lane);
}

fn sum_before(lane: u32) -> f32 {
  if (lane == 0u) {
    return 0.0;
  }
  return lane_values[lane - 1u];
}

// Splits the row into one run of ids per lane, finds the run where the cumulated weight of the
// kept tokens passes `share` of their total, and in it the token.
fn draw(lane: u32, place: u32, share: f32, min_p: f32) {
  let last_cut = workgroupUniformLoad(&cut);
  let run_count = (VOCAB_SIZE + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let run_start = min(row_start + lane * run_count, row_end);
  let run_end = min(run_start + run_count, row_end);
  var sum = 0.0;
  var tie_count = 0u;
  for (var i = run_start; i < run_end; i++) {
    let logit = logits[i];
    let weight = weight_of(logit);
    let key = ordered_key(logit);
    let is_likely = weight >= min_p || logit == top_logit;
    sum += select(0.0, weight, is_likely && key > last_cut.key);
    tie_count += select(0u, 1u, is_likely && key == last_cut.key);
  }
  var left_count = share_ties(lane, tie_count, last_cut.tie_count);
  if (left_count > 0u) {
    sum += f32(left_count) * weight_of(value_of_key(last_cut.key));
  }
  if (choose_lane(lane, sum, share) != lane) {
    return;
  }
  let wanted = share * lane_values[WORKGROUP_SIZE - 1u];
  var cumulated = sum_before(lane);
  var chosen = row_start;
  for (var i = run_start; i < run_end && cumulated <= wanted; i++) {
    let logit = logits[i];
    let weight = weight_of(logit);
    let key = ordered_key(logit);
    let is_tie = key == last_cut.key && left_count > 0u;
    let is_likely = weight > 0.0 && (weight >= min_p || logit == top_logit);
    if (is_likely && (key > last_cut.key || is_tie)) {
      left_count -= select(0u, 1u, is_tie);
      cumulated += weight;
      chosen = i;
    }
  }
  ids[place] = chosen - row_start;
}

// A number in [0, 1), a multiple of 2^-24, that depends on nothing but its arguments.
fn random_share(seed: u32, position: u32) -> f32 {
  var v = vec2<u32>(seed, position) * 1664525u + 1013904223u;
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= v >> vec2<u32>(16u);
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= v >> vec2<u32>(16u);
  return f32(v.x >> 8u) / 16777216.0;
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
  if (settings.temperature < TEMPERATURE_MIN || settings.top_k == 1u) {
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
    if (is_by_count) {
      find_cut(lane, mass_scale, settings, true);
    }
    if (is_by_mass) {
      find_cut(lane, mass_scale, settings, false);
    }
  }
  draw(lane, row.w, random_share(settings.seed, row.y), settings.min_p);
}
