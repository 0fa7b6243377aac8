//: file shaders/expert_route/rows.wgsl
// expert_route/rows: which experts each row goes through, and with which shares; then which rows go
// through each expert together
//   score[row, :] = logits[row, :] + biases, or sigmoid(logits[row, :]) + biases
//   choices[row, rank] = the expert with the rank-th highest score
//   shares[row, rank] = SHARE_SCALE * softmax(score of the chosen, or of all)[rank], or
//   shares[row, rank] = SHARE_SCALE * sigmoid(logits[row, choice]), or divided by the chosen's sum
// With groups, neighbours in equal numbers, experts of GROUP_USED_COUNT groups alone are chosen: of
// those with the highest sums of their two highest scores.
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538, eq. 3 to 5, without noise. A softmax over all
//            experts that is divided by its sum over the chosen gives the same shares. Groups:
//            DeepSeek-V3, arXiv:2412.19437, section 2.1.2, node-limited routing.
// Binds:     src/kernels/expert_route/rows.ts, which appends shaders/lib/expert_bundle.wgsl
// Reference: src/reference/expert_route.ts
// Grid:      [1, rows]: the first workgroup does it all, the others are only counted, as rows
// Precision: f32; equal scores and sums rank by index, and NaN like a number, so each rank has an
//            expert
//
// A visit is a row with one of its experts: row * USED_COUNT + rank. Visits of an expert fill
// bundles in their order, which changes nothing of a row's result: only how often weights are read.

override WORKGROUP_SIZE: u32 = 64u;
override EXPERT_COUNT: u32;
override USED_COUNT: u32;
override SHARE_SCALE: f32 = 1.0;
override IS_SIGMOID: u32 = 0u; // 1: logistic functions of logits in the place of a softmax
override DIVIDES_BY: u32 = 1u; // of shares: 0 nothing, 1 the chosen's sum, 2 that of all
override GROUP_COUNT: u32 = 1u; // GROUP_MAX at most
override GROUP_USED_COUNT: u32 = 1u;

const GROUP_MAX = 32u;
const LOWEST = -3.4e38;

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, experts]
@group(0) @binding(1) var<storage, read> biases: array<f32>; // [experts]
@group(0) @binding(2) var<storage, read_write> choices: array<u32>; // [rows, used]
@group(0) @binding(3) var<storage, read_write> shares: array<f32>; // [rows, used]
@group(0) @binding(4) var<storage, read_write> bundles: array<Bundle>;

var<workgroup> bundle_counts: array<u32, EXPERT_COUNT>;

// Of rows that are looked at together: groups that each may choose of, a bit each.
var<workgroup> used_groups: array<u32, WORKGROUP_SIZE>;

fn score_of(row: u32, expert: u32) -> f32 {
  let logit = logits[row * EXPERT_COUNT + expert];
  if (IS_SIGMOID > 0u) {
    return sigmoid(logit) + biases[expert];
  }
  return logit + biases[expert];
}

fn sigmoid(logit: f32) -> f32 {
  return 1.0 / (1.0 + exp(-logit));
}

// What an expert counts for, before it is divided; `peak` is the highest score of the row.
fn part_of(row: u32, expert: u32, peak: f32) -> f32 {
  if (IS_SIGMOID > 0u) {
    return sigmoid(logits[row * EXPERT_COUNT + expert]);
  }
  return exp(score_of(row, expert) - peak);
}

// Integers in the order of numbers.
fn order_of_number(number: f32) -> u32 {
  let bits = bitcast<u32>(number);
  return bits ^ select(0x80000000u, 0xffffffffu, bits >> 31u == 1u);
}

// Integers in the order of the scores of a row; the lowest for experts that it may not choose.
fn order_of(row: u32, expert: u32) -> u32 {
  if (GROUP_COUNT > 1u) {
    let group = expert / (EXPERT_COUNT / GROUP_COUNT);
    if (((used_groups[row % WORKGROUP_SIZE] >> group) & 1u) == 0u) {
      return 0u;
    }
  }
  return order_of_number(score_of(row, expert));
}

// The groups that a row may choose of.
fn groups_of(row: u32) -> u32 {
  var orders: array<u32, GROUP_MAX>;
  let size = EXPERT_COUNT / GROUP_COUNT;
  for (var group = 0u; group < GROUP_COUNT; group++) {
    var best = LOWEST;
    var second = LOWEST;
    for (var expert = group * size; expert < (group + 1u) * size; expert++) {
      let score = score_of(row, expert);
      second = max(second, min(best, score));
      best = max(best, score);
    }
    orders[group] = order_of_number(best + second);
  }
  var groups = 0u;
  for (var group = 0u; group < GROUP_COUNT; group++) {
    var rank = 0u;
    for (var other = 0u; other < GROUP_COUNT; other++) {
      let is_before = orders[other] > orders[group] ||
        (orders[other] == orders[group] && other < group);
      rank += u32(is_before);
    }
    groups |= u32(rank < GROUP_USED_COUNT) << group;
  }
  return groups;
}

// Whether another expert, if it exists, comes before one with the order `own`.
fn is_before(row: u32, other: u32, expert: u32, own: u32) -> u32 {
  if (other >= EXPERT_COUNT) {
    return 0u;
  }
  let order = order_of(row, other);
  return u32(order > own || (order == own && other < expert));
}

// Eight in a turn: Mesa's software driver ends a shader's loops, without an error, after 65,535
// turns in all.
fn rank_of(row: u32, expert: u32) -> u32 {
  let own = order_of(row, expert);
  var rank = 0u;
  for (var other = 0u; other < EXPERT_COUNT; other += 8u) {
    rank += is_before(row, other, expert, own) + is_before(row, other + 1u, expert, own);
    rank += is_before(row, other + 2u, expert, own) + is_before(row, other + 3u, expert, own);
    rank += is_before(row, other + 4u, expert, own) + is_before(row, other + 5u, expert, own);
    rank += is_before(row, other + 6u, expert, own) + is_before(row, other + 7u, expert, own);
  }
  return rank;
}

fn share_among(row: u32) {
  let start = row * USED_COUNT;
  let peak = score_of(row, choices[start]);
  var total = 0.0;
  for (var rank = 0u; rank < USED_COUNT; rank++) {
    total += part_of(row, choices[start + rank], peak);
  }
  if (DIVIDES_BY == 0u) {
    total = 1.0;
  }
  if (DIVIDES_BY == 2u) {
    total = 0.0;
    for (var expert = 0u; expert < EXPERT_COUNT; expert++) {
      total += part_of(row, expert, peak);
    }
  }
  for (var rank = 0u; rank < USED_COUNT; rank++) {
    let part = part_of(row, choices[start + rank], peak);
    shares[start + rank] = SHARE_SCALE * part / total;
  }
}

// Bundles of the visits that chose an expert, from place `first` on.
fn fill_bundles(expert: u32, first: u32, visit_count: u32, bundle_size: u32) {
  var bundle = Bundle(vec4<u32>(0u), expert, 0u);
  var place = first;
  for (var visit = 0u; visit < visit_count; visit++) {
    if (choices[visit] != expert) {
      continue;
    }
    if (bundle.count == 0u) {
      bundle.visits = vec4<u32>(visit);
    }
    bundle.visits[bundle.count] = visit;
    bundle.count += 1u;
    bundles[place] = bundle;
    if (bundle.count == bundle_size) {
      bundle.count = 0u;
      place += 1u;
    }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) workgroup_count: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  if (workgroup_id.y > 0u) {
    return;
  }
  let row_count = workgroup_count.y;
  let visit_count = row_count * USED_COUNT;
  let bundle_size = select(4u, row_count, row_count <= 2u);
  for (var first = 0u; first < row_count; first += WORKGROUP_SIZE) {
    if (GROUP_COUNT > 1u) {
      if (first + thread < row_count) {
        used_groups[thread] = groups_of(first + thread);
      }
      workgroupBarrier();
    }
    let pair_end = min(first + WORKGROUP_SIZE, row_count) * EXPERT_COUNT;
    for (var pair = first * EXPERT_COUNT + thread; pair < pair_end; pair += WORKGROUP_SIZE) {
      let row = pair / EXPERT_COUNT;
      let expert = pair - row * EXPERT_COUNT;
      let rank = rank_of(row, expert);
      if (rank < USED_COUNT) {
        choices[row * USED_COUNT + rank] = expert;
      }
    }
    if (GROUP_COUNT > 1u) {
      workgroupBarrier();
    }
  }
  storageBarrier();
  workgroupBarrier();
  for (var row = thread; row < row_count; row += WORKGROUP_SIZE) {
    share_among(row);
  }
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    var count = 0u;
    for (var visit = 0u; visit < visit_count; visit++) {
      count += u32(choices[visit] == expert);
    }
    bundle_counts[expert] = (count + bundle_size - 1u) / bundle_size;
  }
  workgroupBarrier();
  var bundle_count = 0u; // of all experts before `counted`
  var counted = 0u;
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    for (; counted < expert; counted++) {
      bundle_count += bundle_counts[counted];
    }
    if (bundle_counts[expert] > 0u) {
      fill_bundles(expert, bundle_count, visit_count, bundle_size);
    }
  }
  for (; counted < EXPERT_COUNT; counted++) {
    bundle_count += bundle_counts[counted];
  }
  for (var place = bundle_count + thread; place < arrayLength(&bundles); place += WORKGROUP_SIZE) {
    bundles[place].count = 0u;
  }
}
