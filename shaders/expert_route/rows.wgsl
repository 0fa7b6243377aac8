//: file shaders/expert_route/rows.wgsl
// expert_route/rows: which experts each row goes through, and with which shares
//   score[row, :] = logits[row, :] + biases, or sigmoid(logits[row, :]) + biases
//   choices[row, rank] = the expert with the rank-th highest score
//   shares[row, rank] = SHARE_SCALE * softmax(score of the chosen, or of all)[rank], or
//   shares[row, rank] = SHARE_SCALE * sigmoid(logits[row, choice]), or divided by the chosen's sum,
//                       by SUM_MIN if that is less
// With groups, neighbours in equal numbers, experts of GROUP_USED_COUNT groups alone are chosen: of
// those with the highest sums of their two highest scores.
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538, eq. 3 to 5, without noise. A softmax over all
//            experts that is divided by its sum over the chosen gives the same shares. Groups:
//            DeepSeek-V3, arXiv:2412.19437, section 2.1.2, node-limited routing.
// Binds:     src/kernels/expert_route/rows.ts
// Reference: src/reference/expert_route.ts
// Grid:      [rows]
// Precision: f32; equal scores and sums rank by index, and NaN like a number, so each rank has an
//            expert

override WORKGROUP_SIZE: u32 = 64u;
override EXPERT_COUNT: u32;
override USED_COUNT: u32;
override SHARE_SCALE: f32 = 1.0;
override IS_SIGMOID: u32 = 0u; // 1: logistic functions of logits in the place of a softmax
override DIVIDES_BY: u32 = 1u; // of shares: 0 nothing, 1 the chosen's sum, 2 that of all
override GROUP_COUNT: u32 = 1u;
override GROUP_USED_COUNT: u32 = 1u;

const LOWEST: f32 = -3.4028234e38;
const SUM_MIN: f32 = 6.103515625e-5; // 2^-14, as llama.cpp has it; a softmax has a sum of 1 or more

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, experts]
@group(0) @binding(1) var<storage, read> biases: array<f32>; // [experts]
@group(0) @binding(2) var<storage, read_write> choices: array<u32>; // [rows, used]
@group(0) @binding(3) var<storage, read_write> shares: array<f32>; // [rows, used]

// Of the row: integers in the order of the scores of experts and of groups, the chosen, and what
// experts count for.
var<workgroup> orders: array<u32, EXPERT_COUNT>;
var<workgroup> group_orders: array<u32, GROUP_COUNT>;
var<workgroup> chosen: array<u32, USED_COUNT>;
var<workgroup> parts: array<f32, EXPERT_COUNT>;

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
fn order_of(number: f32) -> u32 {
  let bits = bitcast<u32>(number);
  return bits ^ select(0x80000000u, 0xffffffffu, bits >> 31u == 1u);
}

// How many experts come before one.
fn rank_of(expert: u32) -> u32 {
  let own = orders[expert];
  var rank = 0u;
  for (var other = 0u; other < EXPERT_COUNT; other++) {
    let order = orders[other];
    rank += u32(order > own || (order == own && other < expert));
  }
  return rank;
}

fn score_of_group(row: u32, group: u32) -> f32 {
  let size = EXPERT_COUNT / GROUP_COUNT;
  var best = LOWEST;
  var second = LOWEST;
  for (var expert = group * size; expert < (group + 1u) * size; expert++) {
    let score = score_of(row, expert);
    second = max(second, min(best, score));
    best = max(best, score);
  }
  return best + second;
}

// Whether the row may choose experts of a group.
fn is_used(group: u32) -> bool {
  let own = group_orders[group];
  var rank = 0u;
  for (var other = 0u; other < GROUP_COUNT; other++) {
    let order = group_orders[other];
    rank += u32(order > own || (order == own && other < group));
  }
  return rank < GROUP_USED_COUNT;
}

// What shares are divided by, summed in the order of ranks or experts.
fn total_of_parts() -> f32 {
  if (DIVIDES_BY == 0u) {
    return 1.0;
  }
  var total = 0.0;
  if (DIVIDES_BY == 1u) {
    for (var rank = 0u; rank < USED_COUNT; rank++) {
      total += parts[chosen[rank]];
    }
    return max(total, SUM_MIN);
  }
  for (var expert = 0u; expert < EXPERT_COUNT; expert++) {
    total += parts[expert];
  }
  return total;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroup_id.x;
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    orders[expert] = order_of(score_of(row, expert));
  }
  if (GROUP_COUNT > 1u) {
    for (var group = thread; group < GROUP_COUNT; group += WORKGROUP_SIZE) {
      group_orders[group] = order_of(score_of_group(row, group));
    }
    workgroupBarrier();
    for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
      if (!is_used(expert / (EXPERT_COUNT / GROUP_COUNT))) {
        orders[expert] = 0u; // behind all others
      }
    }
  }
  workgroupBarrier();
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    let rank = rank_of(expert);
    if (rank < USED_COUNT) {
      chosen[rank] = expert;
      choices[row * USED_COUNT + rank] = expert;
    }
  }
  workgroupBarrier();
  let peak = score_of(row, chosen[0]);
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    parts[expert] = part_of(row, expert, peak);
  }
  workgroupBarrier();
  for (var rank = thread; rank < USED_COUNT; rank += WORKGROUP_SIZE) {
    let part = parts[chosen[rank]];
    shares[row * USED_COUNT + rank] = SHARE_SCALE * part / total_of_parts();
  }
}
