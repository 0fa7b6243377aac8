//: file shaders/block_select/top.wgsl
// block_select/top: the read list of a row and KV head: of the records that the row may read those
// with the largest scores, as many as the row says, in the order of the blocks; the first block is
// always among them, and of equal scores the first ones are
//
// Source:    Quest, arXiv:2406.10774, section 3.3
// Binds:     src/kernels/block_select/top.ts, which appends constants
// Reference: src/reference/block_select.ts
// Grid:      (KV head, row); one workgroup of THREADS threads
// Precision: exact
//
// The cut, the smallest score that is chosen, is found four bits at a time by counting; then each
// thread writes its run of blocks behind those of the threads before it.

const THREADS: u32 = 64u;

@group(0) @binding(0) var<storage, read> rows: array<Row>; // what may be read
@group(0) @binding(1) var<storage, read> chosen: array<Row>; // how many are, and where lists go
@group(0) @binding(2) var<storage, read> directory: array<Entry>;
@group(0) @binding(3) var<storage, read> scores: array<f32>; // [row, KV head, LIST_MAX]
@group(0) @binding(4) var<storage, read_write> lists: array<Entry>; // [row, KV head, LIST_MAX]

var<workgroup> bins: array<atomic<u32>, 16>;
var<workgroup> counts: array<vec2<u32>, THREADS>; // of a thread's run: above the cut, at it

// Ordered as scores are; the first block is above all, one without tokens below.
fn order_of(start: u32, entry: u32, block: u32) -> u32 {
  let bits = bitcast<u32>(scores[start + block]);
  let ordered = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
  let is_empty = entry_token_count(directory[entry + block]) == 0u;
  return select(select(ordered, 0u, is_empty), 0xffffffffu, block == 0u);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = rows[workgroup.y];
  let own = row_of_head(chosen[workgroup.y], workgroup.x);
  let start = (workgroup.y * KV_HEAD_COUNT + workgroup.x) * LIST_MAX;
  let first = row.list_start;
  let count = row.list_count;
  var cut = 0u;
  var rank = own.list_count; // of the cut, among what has its higher bits
  for (var shift = 28i; shift >= 0i; shift -= 4i) {
    let bit = u32(shift);
    if (thread < 16u) {
      atomicStore(&bins[thread], 0u);
    }
    workgroupBarrier();
    for (var block = thread; block < count; block += THREADS) {
      let digits = order_of(start, first, block) >> bit;
      if ((digits >> 4u) == ((cut >> bit) >> 4u)) {
        atomicAdd(&bins[digits & 15u], 1u);
      }
    }
    workgroupBarrier();
    var digit = 15u;
    var here = atomicLoad(&bins[digit]);
    while ((here < rank) & (digit > 0u)) {
      rank -= here;
      digit -= 1u;
      here = atomicLoad(&bins[digit]);
    }
    cut |= digit << bit;
    workgroupBarrier();
  }
  let run = (count + THREADS - 1u) / THREADS;
  let run_start = min(thread * run, count);
  let run_end = min(run_start + run, count);
  var mine = vec2<u32>(0u);
  for (var block = run_start; block < run_end; block += 1u) {
    let order = order_of(start, first, block);
    mine += vec2(select(0u, 1u, order > cut), select(0u, 1u, order == cut));
  }
  counts[thread] = mine;
  workgroupBarrier();
  var before = vec2<u32>(0u);
  for (var other = 0u; other < thread; other += 1u) {
    before += counts[other];
  }
  var equal = before.y;
  var place = before.x + min(equal, rank);
  for (var block = run_start; block < run_end; block += 1u) {
    let order = order_of(start, first, block);
    let is_equal = order == cut;
    if ((order > cut) | (is_equal & (equal < rank))) {
      lists[own.list_start + place] = directory[first + block];
      place += 1u;
    }
    equal += select(0u, 1u, is_equal);
  }
}
