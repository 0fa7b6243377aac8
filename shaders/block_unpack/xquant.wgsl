//: file shaders/block_unpack/xquant.wgsl
// block_unpack/xquant: XQuant blocks to raw f16 tiles, for prefill:
//   x[t, c] = minimum + step * level(code), rounded to f32, then to f16 and clipped to its range
//
// Source:    src/codec/FORMAT.md section 10
// Binds:     src/kernels/block_unpack/xquant.ts
// Reference: src/reference/block_unpack/xquant.ts
// Grid:      (section, block of the segment); 64 threads, one for each token
// Precision: an exact f32 product, one rounded sum, f16 out
// Shared:    lib/kv_raw_tile.wgsl, lib/xquant_codes.wgsl, lib/row.wgsl
// Needs:     KV_HEAD_COUNT, HEAD_SIZE, {KEY,VALUE}_{BITS,BASE,SLOPE}

const F16_MAX: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
// [2]: first block; row whose list it is of
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment
// [1]: words from a record to the codes it is read with, modulo 2^32
@group(0) @binding(5) var<storage, read> code_start: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) token: u32,
) {
  let block = segment[0] + workgroup_id.y;
  if (block >= rows[segment[1]].list_count) {
    return;
  }
  let is_value = workgroup_id.x >= KV_HEAD_COUNT;
  let side = u32(is_value);
  let head = workgroup_id.x % KV_HEAD_COUNT;
  let eight_count = HEAD_SIZE / 8u;
  let record = directory[rows[segment[1]].list_start + block].record;
  let bits = select(KEY_BITS, VALUE_BITS, is_value);
  let eights_per_word = 4u / bits;
  let part_count = eight_count / eights_per_word;
  let bit_words = HEAD_SIZE * (BLOCK_TOKENS / 32u);
  let codes = record + code_start[0] + side * KV_HEAD_COUNT * bit_words * KEY_BITS +
    head * bit_words * bits;
  let params = record + select(
    head * HEAD_SIZE,
    KV_HEAD_COUNT * HEAD_SIZE + head * BLOCK_TOKENS + token,
    is_value,
  );
  let tile = workgroup_id.y * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  for (var eight = 0u; eight < eight_count; eight++) {
    let part = eight / eights_per_word;
    let place = select(part * BLOCK_TOKENS + token, token * part_count + part, is_value);
    let word = arena[codes + place];
    let first_bit = 8u * bits * (eight % eights_per_word);
    var halves = vec4<u32>(0u);
    for (var pair = 0u; pair < 4u; pair++) {
      let at = params + select(8u * eight + 2u * pair, 0u, is_value);
      let bit = first_bit + 2u * pair * bits;
      let next = select(at + 1u, at, is_value);
      let even = read_back(arena[at], extractBits(word, bit, bits), is_value);
      let odd = read_back(arena[next], extractBits(word, bit + bits, bits), is_value);
      halves[pair] = pack2x16float(clamp(vec2(even, odd), vec2(-F16_MAX), vec2(F16_MAX)));
    }
    tiles[tile + tile_index(side, head * eight_count + eight, token)] = halves;
  }
}

fn read_back(params: u32, code: u32, is_value: bool) -> f32 {
  let group = group_params(params);
  let base = select(KEY_BASE, VALUE_BASE, is_value);
  let slope = select(KEY_SLOPE, VALUE_SLOPE, is_value);
  return group.x + group.y * level_of(base + slope * code);
}
