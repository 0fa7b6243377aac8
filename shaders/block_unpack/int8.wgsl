//: file shaders/block_unpack/int8.wgsl
// block_unpack/int8: int8 blocks to raw f16 tiles, for prefill:
//   x[t, c] = code * s[t], rounded to f16 and clipped to its range
//
// Source:    src/codec/FORMAT.md section 8
// Binds:     src/kernels/block_unpack/int8.ts
// Reference: src/reference/block_unpack/int8.ts
// Grid:      (section, block of the segment); 64 threads, one for each token
// Precision: an exact f32 product, f16 out
// Shared:    lib/kv_raw_tile.wgsl, lib/int8_codes.wgsl, lib/row.wgsl

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // multiple of 32
override SECTION_WORDS: u32;

const F16_MAX: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
// [2]: first block; row whose list it is of
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) token: u32,
) {
  let block = segment[0] + workgroup_id.y;
  if (block >= rows[segment[1]].list_count) {
    return;
  }
  let side = workgroup_id.x / KV_HEAD_COUNT;
  let head = workgroup_id.x % KV_HEAD_COUNT;
  let eight_count = HEAD_SIZE / 8u;
  let record = directory[rows[segment[1]].list_start + block].record;
  let section = record + workgroup_id.x * SECTION_WORDS;
  let tile = workgroup_id.y * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  let scale = token_scale(section, token);
  for (var eight = 0u; eight < eight_count; eight++) {
    let place = select(eight * BLOCK_TOKENS + token, token * eight_count + eight, side == 1u);
    let start = section + SCALE_WORDS + 2u * place;
    let low = clipped(code_values(arena[start]) * scale);
    let high = clipped(code_values(arena[start + 1u]) * scale);
    tiles[tile + tile_index(side, head * eight_count + eight, token)] = vec4(
      pack2x16float(low.xy),
      pack2x16float(low.zw),
      pack2x16float(high.xy),
      pack2x16float(high.zw),
    );
  }
}

fn clipped(values: vec4<f32>) -> vec4<f32> {
  return clamp(values, vec4(-F16_MAX), vec4(F16_MAX));
}
