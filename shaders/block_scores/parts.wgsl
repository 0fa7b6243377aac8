//: file shaders/block_scores/parts.wgsl
// block_scores/parts: the attention that blocks get from a row's queries of a KV head, summed over
// the heads of the group, from the softmax of each block and of each tile of the raw window:
//   score[b] = sum over heads of exp(m[b] - M) * l[b] / sum over blocks and tiles of exp(m - M) * l
//
// Source:    arXiv:2205.14135, section 3.1: how parts of a softmax are joined
// Binds:     src/kernels/block_scores/parts.ts, which appends constants
// Reference: src/reference/block_scores.ts
// Grid:      (KV head, row); one workgroup of THREADS threads, which stride over blocks and tiles
// Precision: f32

const LOWEST: f32 = -3.0e38;
const THREADS: u32 = 64u; // a power of two

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> parts: array<vec2<f32>>; // [row, query head, LIST_MAX]
// Those of the window's tiles count: [row, query head, split, PARTIAL_PAIRS]
@group(0) @binding(2) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>; // [row, KV head, LIST_MAX]

var<workgroup> sums: array<vec2<f32>, THREADS>; // m and l of what each thread has seen

fn joined(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let peak = max(a.x, b.x);
  return vec2(peak, exp(a.x - peak) * a.y + exp(b.x - peak) * b.y);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = rows[workgroup.y];
  let sealed_splits = (row.list_count + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let tile_count = row.position / BLOCK_TOKENS + 1u - row.first_window_block;
  let score_start = (workgroup.y * KV_HEAD_COUNT + workgroup.x) * LIST_MAX;
  for (var index = 0u; index < GROUP_SIZE; index += 1u) {
    let head = workgroup.y * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
    var own = vec2(LOWEST, 0.0);
    for (var block = thread; block < row.list_count; block += THREADS) {
      own = joined(own, parts[head * LIST_MAX + block]);
    }
    for (var tile = thread; tile < tile_count; tile += THREADS) {
      let split = head * SPLIT_COUNT_MAX + sealed_splits + tile;
      own = joined(own, partials[split * PARTIAL_PAIRS]);
    }
    workgroupBarrier(); // every thread has read what the head before had
    sums[thread] = own;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
      if (thread < half) {
        sums[thread] = joined(sums[thread], sums[thread + half]);
      }
      workgroupBarrier();
    }
    let all = sums[0];
    for (var block = thread; block < row.list_count; block += THREADS) {
      let part = parts[head * LIST_MAX + block];
      let earlier = select(scores[score_start + block], 0.0, index == 0u);
      scores[score_start + block] = earlier + exp(part.x - all.x) * part.y / all.y;
    }
  }
}
