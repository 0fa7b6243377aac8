//: file shaders/attention_prefill/raw.wgsl
// attention_prefill/raw: the rows of one slice against raw f16 tiles, in splits that
// attention_merge joins. A workgroup takes QUERY_COUNT of the (row, query head) pairs of a KV head,
// so that each value loaded serves them all. The arithmetic is in lib/attention_raw_tiles.wgsl, or
// lib/attention_many_queries.wgsl.
//
// Source:    softmax and query tiles as in arXiv:2205.14135
// Binds:     src/kernels/attention_prefill/raw.ts; appends constants, queries, source and lanes
// Reference: src/reference/attention_prefill.ts
// Grid:      (KV head, split, query tile); one workgroup of LANE_COUNT lanes, or of 64 to 256
// Precision: f16 in, f32 accumulate, f32 out
//
// The rows are of one sequence, at consecutive positions that do not cross a multiple of 64, and
// have the same sealed blocks.

// f32, in parts of as many channels as a thread loads: [rows, query heads * QUERY_SIZE]
@group(0) @binding(0) var<storage, read> q: array<QueryPart>;
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
// [row, head, split, QUERY_SIZE + 2]
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;
@group(0) @binding(4) var<storage, read> slice: array<u32>; // [2]: row behind the last, and first

// The last row of the tile: it sees the most.
fn split_row(workgroup: vec3<u32>) -> Row {
  let last = (workgroup.z + 1u) * QUERY_COUNT - 1u;
  return rows[min(slice[1] + last / GROUP_SIZE, slice[0] - 1u)];
}

// Place of query `index` of a workgroup among all rows' query heads; maybe behind the last row.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  let query = slice[1] * GROUP_SIZE + workgroup.z * QUERY_COUNT + index;
  return query / GROUP_SIZE * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + query % GROUP_SIZE;
}

// Tokens of the sequence that query `index` of a workgroup may see.
fn query_seen_count(workgroup: vec3<u32>, index: u32) -> u32 {
  let row = slice[1] + (workgroup.z * QUERY_COUNT + index) / GROUP_SIZE;
  return rows[min(row, slice[0] - 1u)].position + 1u;
}
