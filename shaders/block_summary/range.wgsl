//: file shaders/block_summary/range.wgsl
// block_summary/range: the least and the largest key of each channel of sealed blocks
//
// Source:    Quest, arXiv:2406.10774, section 3.3: what bounds the scores of a block
// Binds:     src/kernels/block_summary/range.ts, which appends lines of sources.ts
// Reference: src/reference/block_summary.ts
// Grid:      (eights of channels of all KV heads / THREADS, block); a thread for 8 channels
// Precision: exact: f16 in, f16 out

const THREADS: u32 = 64u;
const F16_MAX: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> rows: array<Row>; // row 0: the entries to summarise
@group(0) @binding(1) var<storage, read> directory: array<Entry>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
@group(0) @binding(3) var<storage, read_write> summaries: array<u32>; // [entry, KV head, D]

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let eight = workgroup.x * THREADS + thread;
  if ((eight >= KV_HEAD_COUNT * D / 8u) | (workgroup.y >= rows[0].list_count)) {
    return;
  }
  let entry = rows[0].list_start + workgroup.y;
  let keys = tile_word(directory[entry], workgroup.y) / 4u + eight * BLOCK_TOKENS;
  let token_count = entry_token_count(directory[entry]);
  var least0 = vec4<f32>(F16_MAX);
  var least1 = vec4<f32>(F16_MAX);
  var largest0 = vec4<f32>(-F16_MAX);
  var largest1 = vec4<f32>(-F16_MAX);
  for (var token = 0u; token < token_count; token += 1u) {
    let words = tiles[keys + token];
    let key0 = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
    let key1 = vec4<f32>(unpack2x16float(words.z), unpack2x16float(words.w));
    least0 = min(least0, key0);
    least1 = min(least1, key1);
    largest0 = max(largest0, key0);
    largest1 = max(largest1, key1);
  }
  let place = entry * KV_HEAD_COUNT * D + eight * 8u;
  for (var channel = 0u; channel < 4u; channel += 1u) {
    summaries[place + channel] = pack2x16float(vec2(least0[channel], largest0[channel]));
    summaries[place + 4u + channel] = pack2x16float(vec2(least1[channel], largest1[channel]));
  }
}
