//: file shaders/token_logprobs/row.wgsl
// token_logprobs/row: log softmax(logits[row, :]) of one token and of the most likely ones
//
// Source:    the definition
// Binds:     src/kernels/token_logprobs/row.ts
// Reference: src/reference/token_logprobs.ts
// Grid:      one workgroup per result; WORKGROUP_SIZE threads stride over the vocabulary
// Precision: f32
//
// A lane holds the best of its own tokens that is not reported yet. The best of all lanes is the
// next to report, and only its lane looks through its tokens again. Ties: the lowest id first.

override WORKGROUP_SIZE: u32 = 64u; // power of two
override VOCAB_SIZE: u32;

const LOWEST: f32 = -3.4028234e38;
const NO_TOKEN: u32 = 0xffffffffu;

struct Candidate {
  value: f32,
  id: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, vocab]
@group(0) @binding(1) var<storage, read> wanted: array<vec4<u32>>; // [results] see the binder
@group(0) @binding(2) var<storage, read> ids: array<u32>; // of the tokens asked about
@group(0) @binding(3) var<storage, read_write> results: array<u32>; // [results, RESULT_WORD_COUNT]

var<workgroup> candidates: array<Candidate, WORKGROUP_SIZE>; // of each lane
var<workgroup> contest: array<Candidate, WORKGROUP_SIZE>;
var<workgroup> sums: array<f32, WORKGROUP_SIZE>;

fn is_before(a: Candidate, b: Candidate) -> bool {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

// The better of `best` and a token, if there is such a token and it comes after `last`.
fn with_token(best: Candidate, last: Candidate, row_start: u32, id: u32) -> Candidate {
  if (id >= VOCAB_SIZE) {
    return best;
  }
  let candidate = Candidate(logits[row_start + id], id);
  if (is_before(last, candidate) && is_before(candidate, best)) {
    return candidate;
  }
  return best;
}

// The first of the lane's tokens after `last`. Four in a turn: Mesa's software driver ends a
// shader's loops, without an error, after 65,535 turns in all, and a lane may have all that are
// asked for.
fn next_of_lane(lane: u32, row_start: u32, last: Candidate) -> Candidate {
  var best = Candidate(LOWEST, NO_TOKEN);
  for (var id = lane; id < VOCAB_SIZE; id += 4u * WORKGROUP_SIZE) {
    best = with_token(best, last, row_start, id);
    best = with_token(best, last, row_start, id + WORKGROUP_SIZE);
    best = with_token(best, last, row_start, id + 2u * WORKGROUP_SIZE);
    best = with_token(best, last, row_start, id + 3u * WORKGROUP_SIZE);
  }
  return best;
}

// The first of all lanes' candidates, into contest[0].
fn hold_contest(lane: u32) -> Candidate {
  contest[lane] = candidates[lane];
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride && is_before(contest[lane + stride], contest[lane])) {
      contest[lane] = contest[lane + stride];
    }
    workgroupBarrier();
  }
  let winner = contest[0];
  workgroupBarrier();
  return winner;
}

fn sum_of_exponentials(lane: u32, row_start: u32, top: f32) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < VOCAB_SIZE; id += WORKGROUP_SIZE) {
    sum += exp(logits[row_start + id] - top);
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      sums[lane] += sums[lane + stride];
    }
    workgroupBarrier();
  }
  return sums[0];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let asked = wanted[workgroup_id.x];
  let row_start = asked.x * VOCAB_SIZE;
  let result_start = workgroup_id.x * RESULT_WORD_COUNT;
  let before_all = Candidate(bitcast<f32>(0x7f7fffffu), 0u);
  candidates[lane] = next_of_lane(lane, row_start, before_all);
  var winner = hold_contest(lane);
  let top = winner.value;
  let log_sum = top + log(sum_of_exponentials(lane, row_start, top));
  if (lane == 0u) {
    let id = ids[asked.y];
    results[result_start] = id;
    results[result_start + 1u] = bitcast<u32>(logits[row_start + id] - log_sum);
  }
  for (var rank = 0u; rank < min(asked.z, TOP_COUNT_MAX); rank++) {
    if (rank > 0u) {
      if (winner.id % WORKGROUP_SIZE == lane) {
        candidates[lane] = next_of_lane(lane, row_start, winner);
      }
      winner = hold_contest(lane);
    }
    if (lane == 0u) {
      results[result_start + TOP_START + rank] = winner.id;
      results[result_start + TOP_START + TOP_COUNT_MAX + rank] =
        bitcast<u32>(winner.value - log_sum);
    }
  }
}
