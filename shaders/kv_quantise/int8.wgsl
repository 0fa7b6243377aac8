//: file shaders/kv_quantise/int8.wgsl
// kv_quantise/int8: code[c, t] = round(x[c, t] / s[t]), s[t] = max_c |x[c, t]| / 127 of a head, for
// one store of each job's raw tile, written as whole records
//
// Source:    src/codec/FORMAT.md section 8
// Binds:     src/kernels/kv_quantise/int8.ts
// Reference: src/reference/kv_quantise/int8.ts
// Grid:      (section, job); 64 threads, one for each token
// Precision: bit for bit: f16 is read, scale and reciprocal are made by integer operations; f32
//            product and round are correctly rounded everywhere
// Shared:    lib/kv_raw_tile.wgsl, lib/kv_scale.wgsl

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // multiple of 32
override STORE_COUNT: u32;
override TILE_COUNT: u32; // raw tiles per slot
override SECTION_WORDS: u32;

const CODE_MAX_INVERSE = 0x1.020408p-7f; // f32(1 / 127)

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, -, -}
@group(0) @binding(1) var<storage, read> window: array<vec4<u32>>; // [slot][TILE_COUNT][tile]
@group(0) @binding(2) var<storage, read> store_index: array<u32>; // [1]
@group(0) @binding(3) var<storage, read_write> records: array<u32>; // [job][store][record]
@group(0) @binding(4) var<storage, read_write> flags: array<atomic<u32>>; // [job], zeroed before

var<workgroup> scales: array<u32, BLOCK_TOKENS>; // f16 bits

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) token: u32,
) {
  let job = jobs[workgroup_id.y];
  let side = workgroup_id.x / KV_HEAD_COUNT;
  let head = workgroup_id.x % KV_HEAD_COUNT;
  let eight_count = HEAD_SIZE / 8u;
  let tile = (job.x * TILE_COUNT + job.y) * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  let entry = workgroup_id.y * STORE_COUNT + store_index[0];
  let section = (entry * 2u * KV_HEAD_COUNT + workgroup_id.x) * SECTION_WORDS;

  var largest = vec4(0.0);
  var bad = vec4<u32>(0u);
  for (var eight = 0u; eight < eight_count; eight++) {
    let words = window[tile + tile_index(side, head * eight_count + eight, token)];
    let even = abs(f16_values(words & vec4(0xffffu)));
    let odd = abs(f16_values(words >> vec4(16u)));
    largest = max(largest, max(even, odd));
    bad |= f16_faults(words);
  }
  if (any(bad != vec4(0u))) {
    atomicOr(&flags[workgroup_id.y], 1u);
  }
  let scale = scale_of(max(max_of(largest) * CODE_MAX_INVERSE, SCALE_MIN));
  let reciprocal = bitcast<f32>(scale.y);
  scales[token] = scale.x;
  workgroupBarrier();
  if (token < SCALE_WORDS) {
    records[section + token] = scales[2u * token] | (scales[2u * token + 1u] << 16u);
  }

  for (var eight = 0u; eight < eight_count; eight++) {
    let words = window[tile + tile_index(side, head * eight_count + eight, token)];
    let even = codes_of(words & vec4(0xffffu), reciprocal);
    let odd = codes_of(words >> vec4(16u), reciprocal);
    let place = select(eight * BLOCK_TOKENS + token, token * eight_count + eight, side == 1u);
    let start = section + SCALE_WORDS + 2u * place;
    records[start] = even.x | (odd.x << 8u) | (even.y << 16u) | (odd.y << 24u);
    records[start + 1u] = even.z | (odd.z << 8u) | (even.w << 16u) | (odd.w << 24u);
  }
}

// Codes of four halves, a byte each.
fn codes_of(halves: vec4<u32>, reciprocal: f32) -> vec4<u32> {
  let codes = vec4<i32>(round(f16_values(halves) * reciprocal));
  return vec4<u32>(clamp(codes, vec4(-127i), vec4(127i))) & vec4(0xffu);
}
