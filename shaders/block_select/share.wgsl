//: file shaders/block_select/share.wgsl
// block_select/share: the read list of a row and KV head: the smallest set of records whose
// attention, with that of the raw window, exceeds a share of all of it, in the order of the blocks;
// the first block is always among them, and of equal scores the first ones come first
//   chosen[b] = window + sum of scores of the records before b by score <= limit
//
// Source:    HCAttention, arXiv:2507.19823: the smallest set whose attention exceeds a threshold
// Binds:     src/kernels/block_select/share.ts, which appends constants
// Reference: src/reference/block_select.ts
// Grid:      (KV head, row); one workgroup of THREADS threads
// Precision: f32 sums of scores in the order of blocks, so that they grow with the set
//
// Places that are left of a list become records of no tokens, of which attention counts nothing.
// Each record is compared with all others: slow for long lists.

const THREADS: u32 = 64u;
const BITS: u32 = 32u; // records of a word of bits

@group(0) @binding(0) var<storage, read> rows: array<Row>; // what may be read
@group(0) @binding(1) var<storage, read> chosen: array<Row>; // where lists go
@group(0) @binding(2) var<storage, read> directory: array<Entry>;
@group(0) @binding(3) var<storage, read> scores: array<f32>; // [row, KV head, LIST_MAX]
@group(0) @binding(4) var<storage, read> limits: array<f32>; // [row]: heads times share
@group(0) @binding(5) var<storage, read_write> lists: array<Entry>; // [row, KV head, LIST_MAX]
@group(0) @binding(6) var<storage, read_write> sets: array<u32>; // [row, KV head, SET_WORDS]: bits

var<workgroup> counts: array<u32, THREADS>; // of records that a thread's words choose

fn is_empty(entry: u32) -> bool {
  return entry_token_count(directory[entry]) == 0u;
}

// Whether `other` comes before `block`: the first block before all.
fn comes_before(start: u32, other: u32, block: u32) -> bool {
  if (block == 0u) {
    return false;
  }
  let own = scores[start + block];
  let score = scores[start + other];
  return (other == 0u) | (score > own) | ((score == own) & (other < block));
}

// What all records get; the rest of the heads' attention is the window's.
fn sum_of_all(start: u32, first: u32, count: u32) -> f32 {
  var sum = 0.0;
  for (var block = 0u; block < count; block += 1u) {
    sum += select(scores[start + block], 0.0, is_empty(first + block));
  }
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = rows[workgroup.y];
  let own = row_of_head(chosen[workgroup.y], workgroup.x);
  let head = workgroup.y * KV_HEAD_COUNT + workgroup.x;
  let start = head * LIST_MAX;
  let first = row.list_start;
  let count = row.list_count;
  let limit = limits[workgroup.y];
  let window = max(0.0, f32(GROUP_SIZE) - sum_of_all(start, first, count));
  let words = (count + BITS - 1u) / BITS;
  let run = (words + THREADS - 1u) / THREADS;
  let run_start = min(thread * run, words);
  let run_end = min(run_start + run, words);
  var mine = 0u;
  for (var word = run_start; word < run_end; word += 1u) {
    var bits = 0u;
    let end = min((word + 1u) * BITS, count);
    for (var block = word * BITS; block < end; block += 1u) {
      var sum = window;
      for (var other = 0u; other < count; other += 1u) {
        let counts_before = comes_before(start, other, block) & !is_empty(first + other);
        sum += select(0.0, scores[start + other], counts_before);
      }
      let is_chosen = ((sum <= limit) | (block == 0u)) & !is_empty(first + block);
      bits |= select(0u, 1u << (block % BITS), is_chosen);
    }
    sets[head * SET_WORDS + word] = bits;
    mine += countOneBits(bits);
  }
  counts[thread] = mine;
  workgroupBarrier();
  var place = 0u;
  var all = 0u;
  for (var other = 0u; other < THREADS; other += 1u) {
    place += select(0u, counts[other], other < thread);
    all += counts[other];
  }
  for (var word = run_start; word < run_end; word += 1u) {
    var bits = sets[head * SET_WORDS + word];
    while (bits != 0u) {
      let block = word * BITS + firstTrailingBit(bits);
      bits &= bits - 1u;
      lists[own.list_start + place] = directory[first + block];
      place += 1u;
    }
  }
  for (var left = all + thread; left < own.list_count; left += THREADS) {
    lists[own.list_start + left] = Entry(0u, 0u);
  }
}
