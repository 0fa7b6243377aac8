//: file shaders/kv_gather/raw.wgsl
// kv_gather/raw: tile[job, store, c, p] = the value of channel c at place source[job, store, p] of
//                a raw record
//
// Source:    src/codec/FORMAT.md section 5
// Binds:     src/kernels/kv_gather/raw.ts, which appends constants
// Reference: src/reference/kv_gather/raw.ts
// Grid:      (8 channels of a side, store of the arena, gather); 64 threads, one for each place
// Precision: bits are copied
// Shared:    lib/kv_raw_tile.wgsl

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32;
override STORE_COUNT: u32;

// [gather][store]{scratch entry, places, -, -, [64]{record, place}}
@group(0) @binding(0) var<storage, read> gathers: array<u32>;
@group(0) @binding(1) var<storage, read> arena: array<vec4<u32>>; // records
@group(0) @binding(2) var<storage, read_write> tiles: array<vec4<u32>>; // [scratch][store][tile]
@group(0) @binding(3) var<uniform> first_store: u32;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let group_count = KV_HEAD_COUNT * HEAD_SIZE / 8u;
  let side = workgroup_id.x / group_count;
  let group = workgroup_id.x % group_count;
  let store = first_store + workgroup_id.y;
  let gather = (workgroup_id.z * STORE_COUNT + store) * GATHER_WORDS;
  let entry = gathers[gather] * STORE_COUNT + store;
  var value = vec4<u32>(0u);
  if (lane < gathers[gather + 1u]) {
    let record = gathers[gather + HEADER_WORDS + 2u * lane];
    let place = gathers[gather + HEADER_WORDS + 2u * lane + 1u];
    value = arena[record / 4u + tile_index(side, group, place)];
  }
  let tile_quads = 2u * group_count * BLOCK_TOKENS;
  tiles[entry * tile_quads + tile_index(side, group, lane)] = value;
}
