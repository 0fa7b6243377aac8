//: file shaders/kv_measure/banded.wgsl
// kv_measure/banded: sizes[job, store, section] = ceil(sum of bits of the section's units / 32),
//                    and how many of its channels are dropped: those of which all codes are 0
//
// Source:    src/codec/FORMAT.md sections 7.3 to 7.5
// Binds:     src/kernels/kv_measure/banded.ts
// Reference: src/reference/kv_measure/banded.ts
// Grid:      (section, store, job); 64 threads: 32 channels x 2 halves of the rows
// Precision: integers
// Shared:    lib/kv_pack_range.wgsl, lib/kv_band_choice.wgsl, lib/band_word.wgsl,
//            lib/banded_section.wgsl

override SECTION_COUNT: u32; // sides x KV heads x parts of 32 channels
override STORE_COUNT: u32;
override TABLE_WORDS: u32; // of a store

@group(0) @binding(0) var<storage, read> packed_counts: array<u32>; // [job][store]
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(2) var<storage, read> bands: array<u32>; // by store: [side][c][8]
@group(0) @binding(3) var<storage, read_write> sizes: array<u32>; // [job][store][section]
@group(0) @binding(4) var<storage, read> points: array<u32>; // digits by place

var<workgroup> bit_count: atomic<u32>;
var<workgroup> channels: atomic<u32>; // those that are not dropped

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let section = workgroup_id.x;
  let store = workgroup_id.y;
  let entry = workgroup_id.z * STORE_COUNT + store;
  let token_count = packed_counts[entry];
  section_order[lane] = lane;
  workgroupBarrier();

  // Sections go by side, head and part, so the channels of all sections lie side by side.
  let channel = section * 32u + (lane & 31u);
  let codes_start = (entry * SECTION_COUNT * 32u + channel) * CODE_WORDS;
  let bands_start = store * TABLE_WORDS + channel * 8u;
  let first_row = (lane >> 5u) * 4u;
  var sum = 0u;
  var largest = 0u;
  for (var row = first_row; row < first_row + 4u; row++) {
    let pack = pack_at(codes_start, row, token_count);
    let index = choose_band(bands_start, pack);
    sum += band_bits(bands[bands_start + index]);
    largest = max(largest, pack.bounds.y);
  }
  if (largest > 0u || token_count == 0u) {
    atomicOr(&channels, 1u << (lane & 31u));
  }
  workgroupBarrier();
  if (((atomicLoad(&channels) >> (lane & 31u)) & 1u) == 1u) {
    atomicAdd(&bit_count, sum);
  }
  workgroupBarrier();
  if (lane == 0u) {
    let payload_words = (atomicLoad(&bit_count) + 31u) / 32u;
    let channel_count = countOneBits(atomicLoad(&channels));
    sizes[entry * SECTION_COUNT + section] = section_size(payload_words, channel_count);
  }
}
