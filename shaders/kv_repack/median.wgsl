//: file shaders/kv_repack/median.wgsl
// kv_repack/median: order[store, :] = tokens by descending median V code, ties by token
//
// Source:    src/codec/FORMAT.md section 3
// Binds:     src/kernels/kv_repack/median.ts
// Reference: src/reference/kv_repack/median.ts
// Grid:      (store, job); 64 threads: 16 quads of tokens x 4 parts of the channels
// Precision: integers
//
// The median is found bit by bit from the top: it has the bit if no more than half of the codes
// lie below that value. Each pass reads all V codes of the store.

override CHANNEL_COUNT: u32; // KV heads x head size
override STORE_COUNT: u32;
override VALUE_BITS: u32;

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, token_count, -}
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(2) var<storage, read_write> order: array<u32>; // [job][store][tokens]

var<workgroup> counts: array<vec4<u32>, 64>;
var<workgroup> medians: array<vec4<u32>, 16>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let entry = workgroup_id.y * STORE_COUNT + workgroup_id.x;
  let quad = lane & 15u;
  let start = (entry * 2u + 1u) * CHANNEL_COUNT * CODE_WORDS + quad;

  // 1. The median of each token; four tokens per lane, the same in all parts.
  var median = vec4<u32>(0u);
  for (var bit = VALUE_BITS; bit > 0u; bit--) {
    let candidate = median | vec4(1u << (bit - 1u));
    var below = vec4<u32>(0u);
    for (var channel = lane >> 4u; channel < CHANNEL_COUNT; channel += 4u) {
      below += select(
        vec4(0u),
        vec4(1u),
        unpack4xU8(codes[start + channel * CODE_WORDS]) < candidate,
      );
    }
    counts[lane] = below;
    workgroupBarrier();
    below = counts[quad] + counts[quad + 16u] + counts[quad + 32u] + counts[quad + 48u];
    median = select(median, candidate, below <= vec4((CHANNEL_COUNT - 1u) / 2u));
    workgroupBarrier();
  }
  if (lane < 16u) {
    medians[lane] = median;
  }
  workgroupBarrier();

  // 2. The place of each token: how many come before it.
  let token_count = jobs[workgroup_id.y].z;
  let own = medians[lane >> 2u][lane & 3u];
  var place = 0u;
  for (var token = 0u; token < token_count; token++) {
    let other = medians[token >> 2u][token & 3u];
    place += select(0u, 1u, other > own || (other == own && token < lane));
  }
  order[entry * BLOCK_TOKENS + select(lane, place, lane < token_count)] = lane;
}
