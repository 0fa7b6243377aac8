//: file shaders/expert_route/bundles.wgsl
// expert_route/bundles: which rows go through each expert together
//   bundles = the visits of each expert, in their order, so many at a time
//
// Source:    none
// Binds:     src/kernels/expert_route/bundles.ts, which appends shaders/lib/expert_bundle.wgsl
// Reference: src/reference/expert_route.ts
// Grid:      [1, rows]: the first workgroup does it all, the others are only counted, as rows
// Precision: integers
//
// A visit is a row with one of its experts: row * USED_COUNT + rank. How visits of an expert fill
// bundles changes nothing of a row's result: only how often weights are read. An expert has a row
// once, so where a visit comes among those of its expert follows from one bit for each row.

override WORKGROUP_SIZE: u32 = 64u;
override EXPERT_COUNT: u32;
override USED_COUNT: u32;

@group(0) @binding(0) var<storage, read> choices: array<u32>; // [rows, used]
// [bundles][BUNDLE_WORDS], bundles by words: threads store different ones of the same vector.
@group(0) @binding(1) var<storage, read_write> bundles: array<u32>;

const ROWS_AT_ONCE = 32u;

// By expert: visits in all, those of rows before the ones at hand, these rows, its first bundle.
var<workgroup> counts: array<atomic<u32>, EXPERT_COUNT>;
var<workgroup> counts_before: array<u32, EXPERT_COUNT>;
var<workgroup> row_bits: array<atomic<u32>, EXPERT_COUNT>;
var<workgroup> starts: array<u32, EXPERT_COUNT>;

fn bundles_of(expert: u32, bundle_size: u32) -> u32 {
  return (atomicLoad(&counts[expert]) + bundle_size - 1u) / bundle_size;
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
  let bundle_size = select(4u * VISIT_VECTORS, row_count, row_count <= 2u);
  for (var visit = thread; visit < visit_count; visit += WORKGROUP_SIZE) {
    atomicAdd(&counts[choices[visit]], 1u);
  }
  workgroupBarrier();

  var bundle_count = 0u; // of all experts before `counted`
  var counted = 0u;
  for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
    for (; counted < expert; counted++) {
      bundle_count += bundles_of(counted, bundle_size);
    }
    starts[expert] = bundle_count;
  }
  for (; counted < EXPERT_COUNT; counted++) {
    bundle_count += bundles_of(counted, bundle_size);
  }
  let capacity = arrayLength(&bundles) / BUNDLE_WORDS;
  for (var bundle = bundle_count + thread; bundle < capacity; bundle += WORKGROUP_SIZE) {
    bundles[bundle * BUNDLE_WORDS + COUNT_WORD] = 0u;
  }

  for (var first = 0u; first < visit_count; first += ROWS_AT_ONCE * USED_COUNT) {
    let end = min(first + ROWS_AT_ONCE * USED_COUNT, visit_count);
    for (var expert = thread; expert < EXPERT_COUNT; expert += WORKGROUP_SIZE) {
      counts_before[expert] += countOneBits(atomicLoad(&row_bits[expert]));
      atomicStore(&row_bits[expert], 0u);
    }
    workgroupBarrier();
    for (var visit = first + thread; visit < end; visit += WORKGROUP_SIZE) {
      atomicOr(&row_bits[choices[visit]], 1u << ((visit - first) / USED_COUNT));
    }
    workgroupBarrier();
    for (var visit = first + thread; visit < end; visit += WORKGROUP_SIZE) {
      let expert = choices[visit];
      let index = index_of(visit - first, expert);
      let place = index % bundle_size;
      let start = (starts[expert] + index / bundle_size) * BUNDLE_WORDS;
      bundles[start + place] = visit;
      if (place == 0u) { // the first visit says what the bundle is
        let count = min(bundle_size, atomicLoad(&counts[expert]) - index);
        for (var lacking = count; lacking < 4u; lacking++) {
          bundles[start + lacking] = visit;
        }
        bundles[start + EXPERT_WORD] = expert;
        bundles[start + COUNT_WORD] = count;
      }
    }
    workgroupBarrier();
  }
}

// Which visit of an expert it is.
fn index_of(visit: u32, expert: u32) -> u32 {
  let before = (1u << (visit / USED_COUNT)) - 1u;
  return counts_before[expert] + countOneBits(atomicLoad(&row_bits[expert]) & before);
}
