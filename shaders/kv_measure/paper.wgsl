//: file shaders/kv_measure/paper.wgsl
// kv_measure/paper: sizes[job, store, section] = ceil(PACK_SIZE * sum of the section's widths / 32)
//
// Source:    src/codec/FORMAT.md section 6.4
// Binds:     src/kernels/kv_measure/paper.ts
// Reference: src/reference/kv_measure/paper.ts
// Grid:      (section, store, job); 64 threads stride over the channels of the section's head
// Precision: integers
// Shared:    lib/kv_pack_range.wgsl

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32;
override STORE_COUNT: u32;
override PACK_SIZE: u32; // 4, 8, 16 or 32

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, token_count, -}
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(2) var<storage, read> order: array<u32>; // [job][store][tokens]
@group(0) @binding(3) var<storage, read_write> sizes: array<u32>; // [job][store][section]

var<workgroup> width_sum: atomic<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let section = workgroup_id.x;
  let entry = workgroup_id.z * STORE_COUNT + workgroup_id.y;
  let token_count = jobs[workgroup_id.z].z;
  section_order[lane] = order[entry * BLOCK_TOKENS + lane];
  workgroupBarrier();

  // Sections are K heads, then V heads, so the channels of all sections lie side by side.
  let start = (entry * 2u * KV_HEAD_COUNT + section) * HEAD_SIZE * CODE_WORDS;
  var sum = 0u;
  for (var channel = lane; channel < HEAD_SIZE; channel += 64u) {
    for (var row = 0u; row < BLOCK_TOKENS / PACK_SIZE; row++) {
      sum += pack_range(start + channel * CODE_WORDS, row, token_count).y;
    }
  }
  atomicAdd(&width_sum, sum);
  workgroupBarrier();
  if (lane == 0u) {
    let bit_count = PACK_SIZE * atomicLoad(&width_sum);
    sizes[entry * 2u * KV_HEAD_COUNT + section] = (bit_count + 31u) / 32u;
  }
}
