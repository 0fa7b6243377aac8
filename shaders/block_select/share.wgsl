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
// Sums grow along the order of scores, so the last record that is chosen is searched for: in each
// round every thread sums up to one of THREADS places between the last one known to be chosen and
// the first one known not to be. A place is the bits of a score, which order as scores do, and an
// index among records of that score. Scores are never negative.
//
// Places that are left of a list become records of no tokens, of which attention counts nothing.

const THREADS: u32 = 64u;
const BITS: u32 = 32u; // records of a word of bits

@group(0) @binding(0) var<storage, read> rows: array<Row>; // what may be read
@group(0) @binding(1) var<storage, read> chosen: array<Row>; // where lists go
@group(0) @binding(2) var<storage, read> directory: array<Entry>;
@group(0) @binding(3) var<storage, read> scores: array<f32>; // [row, KV head, LIST_MAX]
@group(0) @binding(4) var<storage, read> limits: array<f32>; // [row]: heads times share
@group(0) @binding(5) var<storage, read_write> lists: array<Entry>; // [row, KV head, LIST_MAX]
@group(0) @binding(6) var<storage, read_write> sets: array<u32>; // [row, KV head, SET_WORDS]: bits

struct Place {
  bits: u32, // of a score
  block: u32, // index among those of that score
}

// Least and greatest of records.
struct Span {
  low: Place,
  high: Place,
}

var<workgroup> counts: array<u32, THREADS>; // of records that a thread's words choose
var<workgroup> spans: array<Span, THREADS>; // of a thread's records that are not decided
var<workgroup> tried: array<Place, THREADS>;
var<workgroup> is_within: array<u32, THREADS>; // whether the sum before a place is
var<workgroup> undecided: Span; // of all of them
var<workgroup> is_decided: u32; // whether there are none

fn is_empty(entry: u32) -> bool {
  return entry_token_count(directory[entry]) == 0u;
}

fn precedes(place: Place, other: Place) -> bool {
  return (place.bits > other.bits) | ((place.bits == other.bits) & (place.block < other.block));
}

// What all records get; the rest of the heads' attention is the window's.
fn sum_of_all(start: u32, first: u32, count: u32) -> f32 {
  var sum = 0.0;
  for (var block = 0u; block < count; block += 1u) {
    sum += select(scores[start + block], 0.0, is_empty(first + block));
  }
  return sum;
}

// What the window and the records before a place get; the first record is before all.
fn sum_before(start: u32, first: u32, count: u32, window: f32, place: Place) -> f32 {
  var sum = window;
  for (var block = 0u; block < count; block += 1u) {
    let score = scores[start + block];
    let is_before = (block == 0u) | precedes(Place(bitcast<u32>(score), block), place);
    sum += select(0.0, score, is_before & !is_empty(first + block));
  }
  return sum;
}

fn joined(span: Span, other: Span) -> Span {
  let low = Place(min(span.low.bits, other.low.bits), min(span.low.block, other.low.block));
  let high = Place(max(span.high.bits, other.high.bits), max(span.high.block, other.high.block));
  return Span(low, high);
}

// The place that a thread tries of a span: its scores are cut, or the indexes if there is one.
fn place_in(span: Span, thread: u32) -> Place {
  let width = span.high.bits - span.low.bits;
  if (width > 0u) {
    return Place(span.low.bits + (width / THREADS + 1u) * thread, 0u);
  }
  let step = (span.high.block - span.low.block) / THREADS + 1u;
  return Place(span.low.bits, span.low.block + step * thread);
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
  let block_end = min(run_end * BITS, count);

  // Records up to `last` are chosen, those from `next` on are not.
  var last = Place(0xffffffffu, 0u);
  var next = Place(0u, count);
  for (var round = 0u; round < ROUNDS; round += 1u) {
    var span = Span(Place(0xffffffffu, 0xffffffffu), Place(0u, 0u));
    for (var block = max(1u, run_start * BITS); block < block_end; block += 1u) {
      let place = Place(bitcast<u32>(scores[start + block]), block);
      if (precedes(last, place) & precedes(place, next) & !is_empty(first + block)) {
        span = joined(span, Span(place, place));
      }
    }
    spans[thread] = span;
    workgroupBarrier();
    if (thread == 0u) {
      for (var other = 1u; other < THREADS; other += 1u) {
        span = joined(span, spans[other]);
      }
      undecided = span;
      is_decided = u32(span.low.block > span.high.block);
    }
    if (workgroupUniformLoad(&is_decided) == 1u) {
      break;
    }
    let place = place_in(undecided, thread);
    tried[thread] = place;
    is_within[thread] = u32(sum_before(start, first, count, window, place) <= limit);
    workgroupBarrier();
    for (var other = 0u; other < THREADS; other += 1u) {
      let theirs = tried[other];
      if (is_within[other] == 0u) {
        if (precedes(theirs, next)) {
          next = theirs;
        }
      } else if (precedes(last, theirs)) {
        last = theirs;
      }
    }
  }

  var mine = 0u;
  for (var word = run_start; word < run_end; word += 1u) {
    var bits = 0u;
    let end = min((word + 1u) * BITS, count);
    for (var block = word * BITS; block < end; block += 1u) {
      let place = Place(bitcast<u32>(scores[start + block]), block);
      let is_chosen = ((block == 0u) | !precedes(last, place)) & !is_empty(first + block);
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
