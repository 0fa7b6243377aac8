//: file shaders/kv_quantise/paper.wgsl
// kv_quantise/paper: code[c, t] = round(x[c, t] * r[t]) - z[t], z[t] = round(min_c x[c, t] * r[t]),
//              r[t] = 1 / s[t], for one store of each job's raw tile
//
// Source:    src/codec/FORMAT.md section 6
// Binds:     src/kernels/kv_quantise/paper.ts
// Reference: src/reference/kv_quantise/paper.ts
// Grid:      (side, job); 256 threads: 64 tokens x 4 parts of the channels for the range, then
//            16 quads of tokens x 16 groups of 8 channels for the codes
// Precision: bit for bit: f16 is read, scale and reciprocal are made by integer operations; f32
//            subtraction, product and round are exact or correctly rounded everywhere
// Shared:    lib/kv_raw_tile.wgsl, lib/kv_scale.wgsl
//
// The identity is written as packed order; repacking may overwrite it.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // multiple of 32
override STORE_COUNT: u32;
override TILE_COUNT: u32; // raw tiles per slot
override KEY_REL: f32;
override VALUE_REL: f32;
override KEY_CODE_MAX: u32;
override VALUE_CODE_MAX: u32;

const ZERO_MAX_INVERSE = 0x1.0624dep-15f; // f32(1 / 32000)

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, token_count, -}
@group(0) @binding(1) var<storage, read> window: array<vec4<u32>>; // [slot][TILE_COUNT][tile]
@group(0) @binding(2) var<storage, read> store_index: array<u32>; // [1]
@group(0) @binding(3) var<storage, read_write> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(4) var<storage, read_write> params: array<u32>; // [job][store][side][tokens]
@group(0) @binding(5) var<storage, read_write> order: array<u32>; // [job][store][tokens]
@group(0) @binding(6) var<storage, read_write> flags: array<atomic<u32>>; // [job], zeroed before

var<workgroup> lows: array<f32, 256>;
var<workgroup> highs: array<f32, 256>;
var<workgroup> reciprocals: array<f32, BLOCK_TOKENS>;
var<workgroup> zeros: array<i32, BLOCK_TOKENS>;
var<workgroup> is_bad: atomic<u32>;

// {scale as f16 bits, reciprocal as f32 bits}. FORMAT.md sections 6.1 and 6.2.
fn token_scale(low: f32, high: f32, rel: f32) -> vec2<u32> {
  let largest = max(abs(low), abs(high));
  return scale_of(max(max((high - low) * rel, SCALE_MIN), largest * ZERO_MAX_INVERSE));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let side = workgroup_id.x;
  let job_index = workgroup_id.y;
  let job = jobs[job_index];
  let group_count = KV_HEAD_COUNT * HEAD_SIZE / 8u;
  let tile = (job.x * TILE_COUNT + job.y) * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  let entry = job_index * STORE_COUNT + store_index[0];

  // 1. The range of each token over all heads and channels.
  let token = lane & (BLOCK_TOKENS - 1u);
  var low = 0x1p17f;
  var high = -0x1p17f;
  var bad = vec4<u32>(0u);
  for (var group = lane >> 6u; group < group_count; group += 4u) {
    let words = window[tile + tile_index(side, group, token)];
    let even = f16_values(words & vec4(0xffffu));
    let odd = f16_values(words >> vec4(16u));
    low = min(low, min_of(min(even, odd)));
    high = max(high, max_of(max(even, odd)));
    bad |= f16_faults(words);
  }
  lows[lane] = low;
  highs[lane] = high;
  let is_present = token < job.z;
  if (is_present && any(bad != vec4(0u))) {
    atomicOr(&is_bad, 1u);
  }
  workgroupBarrier();

  // 2. Scale and zero of each token.
  if (lane < BLOCK_TOKENS) {
    low = min(
      min(lows[lane], lows[lane + BLOCK_TOKENS]),
      min(lows[lane + 2u * BLOCK_TOKENS], lows[lane + 3u * BLOCK_TOKENS]),
    );
    high = max(
      max(highs[lane], highs[lane + BLOCK_TOKENS]),
      max(highs[lane + 2u * BLOCK_TOKENS], highs[lane + 3u * BLOCK_TOKENS]),
    );
    let scale = token_scale(low, high, select(KEY_REL, VALUE_REL, side == 1u));
    let reciprocal = select(0.0, bitcast<f32>(scale.y), is_present);
    let zero = i32(round(low * reciprocal));
    reciprocals[lane] = reciprocal;
    zeros[lane] = zero;
    let word = (bitcast<u32>(zero) << 16u) | scale.x;
    params[(entry * 2u + side) * BLOCK_TOKENS + lane] = select(0u, word, is_present);
    if (side == 0u) {
      order[entry * BLOCK_TOKENS + lane] = lane;
    }
    if (lane == 0u && atomicLoad(&is_bad) != 0u) {
      atomicOr(&flags[job_index], 1u);
    }
  }
  workgroupBarrier();

  // 3. Codes: four tokens of eight channels at a time, a byte each.
  let quad = lane & 15u;
  let first = quad * 4u;
  let code_max = vec4<i32>(i32(select(KEY_CODE_MAX, VALUE_CODE_MAX, side == 1u)));
  let codes_start = (entry * 2u + side) * (KV_HEAD_COUNT * HEAD_SIZE * CODE_WORDS) + quad;
  for (var group = lane >> 4u; group < group_count; group += 16u) {
    var even_codes = vec4<u32>(0u);
    var odd_codes = vec4<u32>(0u);
    for (var i = 0u; i < 4u; i++) {
      let words = window[tile + tile_index(side, group, first + i)];
      let reciprocal = reciprocals[first + i];
      let zero = vec4<i32>(zeros[first + i]);
      let even = vec4<i32>(round(f16_values(words & vec4(0xffffu)) * reciprocal)) - zero;
      let odd = vec4<i32>(round(f16_values(words >> vec4(16u)) * reciprocal)) - zero;
      even_codes |= vec4<u32>(clamp(even, vec4(0i), code_max)) << vec4(8u * i);
      odd_codes |= vec4<u32>(clamp(odd, vec4(0i), code_max)) << vec4(8u * i);
    }
    let start = codes_start + group * (8u * CODE_WORDS);
    codes[start] = even_codes.x;
    codes[start + CODE_WORDS] = odd_codes.x;
    codes[start + 2u * CODE_WORDS] = even_codes.y;
    codes[start + 3u * CODE_WORDS] = odd_codes.y;
    codes[start + 4u * CODE_WORDS] = even_codes.z;
    codes[start + 5u * CODE_WORDS] = odd_codes.z;
    codes[start + 6u * CODE_WORDS] = even_codes.w;
    codes[start + 7u * CODE_WORDS] = odd_codes.w;
  }
}
