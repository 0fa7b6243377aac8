//: file shaders/attention_decode/raw.wgsl
// attention_decode/raw: the query heads of one row and KV head against raw f16 tiles, in splits
// that attention_merge joins. The arithmetic is in lib/attention_raw_tiles.wgsl.
//
// Source:    split sequences as in Flash-Decoding; softmax as in arXiv:2205.14135
// Binds:     src/kernels/attention_decode/raw.ts, appends constants, heads, source, lanes
// Reference: src/reference/attention_decode/raw.ts
// Grid:      (KV head, split, row); one workgroup for all heads of the group: LANE_COUNT lanes, or
//            several teams of as many, which take a block each and then join what they have
// Precision: f16 in, f32 accumulate, f32 out

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]

fn split_row(workgroup: vec3<u32>) -> Row {
  return row_of_head(rows[workgroup.z], workgroup.x);
}

// Place of query `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}

// Tokens of the sequence that query `index` of a workgroup may see.
fn query_seen_count(workgroup: vec3<u32>, index: u32) -> u32 {
  return rows[workgroup.z].position + 1u;
}
