//: file shaders/kv_quantise/banded.wgsl
// kv_quantise/banded: code[c, t] = round(x[c, t] / step[c] * factor[e[t]] + carry) + 128, with one
//                     token step e[t] by the magnitude of the token's V; of K carry is 0, of V a
//                     quarter of the error of the channel's token before
//
// Source:    src/codec/FORMAT.md section 7.2
// Binds:     src/kernels/kv_quantise/banded.ts
// Reference: src/reference/kv_quantise/banded.ts
// Grid:      (16 tokens, job); 256 threads: 16 tokens x 16 parts of the channels for the step,
//            then 4 quads of tokens x 64 groups of 8 channels for the codes of K, 16 tokens of
//            the even or the odd channels of 128 groups of 8 for those of V
// Precision: bit for bit: f16 is read by integer operations, sums are of integers, and each f32
//            product and round is correctly rounded everywhere
// Shared:    lib/kv_raw_tile.wgsl
//
// The token at place p is first_token + p, modulo BLOCK_TOKENS: so the sinks are the tokens of the
// absent places. Their values are copied out as they are. The identity is written as packed order.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // multiple of 32
override STORE_COUNT: u32;
override SINK_COUNT: u32;
override TILE_COUNT: u32; // raw tiles per slot

const CODE_MAX = 127.0;
const CODE_BIAS = 128;
const NORM_PART_MAX = 32768.0;
const CODE_PARTS = 256.0; // of a code, in which V's errors are counted
const CODE_PART_BITS = 8u;
const ERROR_SHIFT_BITS = 2u; // a quarter of an error is carried

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, present, first}
@group(0) @binding(1) var<storage, read> window: array<vec4<u32>>; // [slot][TILE_COUNT][tile]
@group(0) @binding(2) var<storage, read> tables: array<vec4<u32>>; // quantiserWords of the store
@group(0) @binding(3) var<storage, read_write> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(4) var<storage, read_write> params: array<u32>; // [job][store][side][tokens]
@group(0) @binding(5) var<storage, read_write> order: array<u32>; // [job][store][tokens]
@group(0) @binding(6) var<storage, read_write> sinks: array<vec4<u32>>; // of records, [job][store]
@group(0) @binding(7) var<storage, read_write> flags: array<atomic<u32>>; // [job], zeroed before
@group(0) @binding(8) var<uniform> store: u32;

var<workgroup> sums: array<u32, 256>; // [part][place]
var<workgroup> largest: array<vec2<f32>, 256>; // {K, V}
var<workgroup> factors: array<vec2<f32>, 16>; // {K, V} of each place
var<workgroup> is_bad: atomic<u32>;

fn scalars_quad() -> u32 {
  return KV_HEAD_COUNT * HEAD_SIZE / 2u;
}

// Of K and V, in codes per step of token step 64.
fn factor_recips(step: u32) -> vec2<f32> {
  let key_quad = scalars_quad() + 1u + THRESHOLD_QUADS + (step >> 2u);
  let component = step & 3u;
  return bitcast<vec2<f32>>(
    vec2(tables[key_quad][component], tables[key_quad + FACTOR_QUADS][component]),
  );
}

// Reciprocal steps of the even and the odd channels of a group of 8.
fn even_recips(side: u32, group: u32) -> vec4<f32> {
  let quad = side * (KV_HEAD_COUNT * HEAD_SIZE / 4u) + group * 2u;
  return bitcast<vec4<f32>>(vec4(tables[quad].xz, tables[quad + 1u].xz));
}

fn odd_recips(side: u32, group: u32) -> vec4<f32> {
  let quad = side * (KV_HEAD_COUNT * HEAD_SIZE / 4u) + group * 2u;
  return bitcast<vec4<f32>>(vec4(tables[quad].yw, tables[quad + 1u].yw));
}

// The channels' parts of the sum that a token's step follows.
fn norm_sum(values: vec4<f32>) -> u32 {
  let norm_recip = bitcast<f32>(tables[scalars_quad()].x);
  let parts = vec4<u32>(round(min(abs(values) * norm_recip, vec4(NORM_PART_MAX))));
  return parts.x + parts.y + parts.z + parts.w;
}

// FORMAT.md section 7.2, points 2 and 3.
fn token_step(sum: u32, largest_scaled: vec2<f32>) -> u32 {
  var counts = vec4<u32>(0u);
  for (var quad = 0u; quad < THRESHOLD_QUADS; quad++) {
    let thresholds = tables[scalars_quad() + 1u + quad];
    counts += select(vec4(0u), vec4(1u), thresholds <= vec4(sum));
  }
  var step = counts.x + counts.y + counts.z + counts.w;
  while (
    step < TOKEN_STEP_MAX && any(round(largest_scaled * factor_recips(step)) > vec2(CODE_MAX))
  ) {
    step++;
  }
  return step;
}

fn biased_codes(scaled: vec4<f32>, factor: f32) -> vec4<u32> {
  let limited = clamp(round(scaled * factor), vec4(-CODE_MAX), vec4(CODE_MAX));
  return vec4<u32>(vec4<i32>(limited) + vec4(CODE_BIAS));
}

fn quantise_keys(tile: u32, entry: u32, lane: u32, place_start: u32, job: vec4<u32>) {
  let group_count = KV_HEAD_COUNT * HEAD_SIZE / 8u;
  let quad = lane & 3u;
  let codes_start = entry * 2u * (KV_HEAD_COUNT * HEAD_SIZE * CODE_WORDS) + (place_start >> 2u);
  for (var group = lane >> 2u; group < group_count; group += 64u) {
    let even_recip = even_recips(0u, group);
    let odd_recip = odd_recips(0u, group);
    var even_codes = vec4<u32>(0u);
    var odd_codes = vec4<u32>(0u);
    for (var i = 0u; i < 4u; i++) {
      let place = place_start + quad * 4u + i;
      let words = window[tile + tile_index(0u, group, (job.w + place) & (BLOCK_TOKENS - 1u))];
      let factor = factors[quad * 4u + i].x;
      let even = biased_codes(f16_values(words & vec4(0xffffu)) * even_recip, factor);
      let odd = biased_codes(f16_values(words >> vec4(16u)) * odd_recip, factor);
      let is_present = vec4(place < job.z);
      even_codes |= select(vec4(0u), even << vec4(8u * i), is_present);
      odd_codes |= select(vec4(0u), odd << vec4(8u * i), is_present);
    }
    let start = codes_start + quad + group * (8u * CODE_WORDS);
    store_codes(start, even_codes);
    store_codes(start + CODE_WORDS, odd_codes);
  }
}

// FORMAT.md section 7.2, point 5: errors are carried from token to token, in parts of a code.
fn quantise_values(tile: u32, entry: u32, lane: u32, place_start: u32, job: vec4<u32>) {
  let group_count = KV_HEAD_COUNT * HEAD_SIZE / 8u;
  let is_odd = (lane & 1u) == 1u;
  let codes_start =
    (entry * 2u + 1u) * (KV_HEAD_COUNT * HEAD_SIZE * CODE_WORDS) + (place_start >> 2u);
  for (var group = lane >> 1u; group < group_count; group += 128u) {
    let recip = select(even_recips(1u, group), odd_recips(1u, group), is_odd);
    let start = codes_start + group * (8u * CODE_WORDS) + select(0u, CODE_WORDS, is_odd);
    var error = vec4<i32>(0);
    for (var quad = 0u; quad < 4u; quad++) {
      var quad_codes = vec4<u32>(0u);
      for (var i = 0u; i < 4u; i++) {
        let place = place_start + quad * 4u + i;
        let words = window[tile + tile_index(1u, group, (job.w + place) & (BLOCK_TOKENS - 1u))];
        let halves = select(words & vec4(0xffffu), words >> vec4(16u), is_odd);
        let scaled = f16_values(halves) * recip * factors[quad * 4u + i].y;
        let limited = clamp(scaled, vec4(-CODE_MAX), vec4(CODE_MAX));
        let parts = vec4<i32>(round(limited * CODE_PARTS)) + (error >> vec4(ERROR_SHIFT_BITS));
        let rounded = (parts + vec4(i32(CODE_PARTS) / 2)) >> vec4(CODE_PART_BITS);
        let code = clamp(rounded, vec4(-i32(CODE_MAX)), vec4(i32(CODE_MAX)));
        error = parts - (code << vec4(CODE_PART_BITS));
        let biased = vec4<u32>(code + vec4(CODE_BIAS)) << vec4(8u * i);
        quad_codes |= select(vec4(0u), biased, vec4(place < job.z));
      }
      store_codes(start + quad, quad_codes);
    }
  }
}

// Codes of four tokens of every other channel of a group.
fn store_codes(start: u32, quad_codes: vec4<u32>) {
  codes[start] = quad_codes.x;
  codes[start + 2u * CODE_WORDS] = quad_codes.y;
  codes[start + 4u * CODE_WORDS] = quad_codes.z;
  codes[start + 6u * CODE_WORDS] = quad_codes.w;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let place_start = workgroup_id.x * 16u;
  let job_index = workgroup_id.y;
  let job = jobs[job_index];
  let groups_per_head = HEAD_SIZE / 8u;
  let group_count = KV_HEAD_COUNT * groups_per_head;
  let tile = (job.x * TILE_COUNT + job.y) * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  let entry = job_index * STORE_COUNT + store;

  // 1. The magnitude of each token's V, and its largest values in steps.
  let place = place_start + (lane & 15u);
  let token = (job.w + place) & (BLOCK_TOKENS - 1u);
  var sum = 0u;
  var bad = vec4<u32>(0u);
  var most = vec2<f32>(0.0);
  for (var group = lane >> 4u; group < group_count; group += 16u) {
    let head = group / groups_per_head;
    for (var side = 0u; side < 2u; side++) {
      let words = window[tile + tile_index(side, group, token)];
      bad |= f16_faults(words);
      let even = f16_values(words & vec4(0xffffu));
      let odd = f16_values(words >> vec4(16u));
      let even_scaled = abs(even * even_recips(side, group));
      let odd_scaled = abs(odd * odd_recips(side, group));
      most[side] = max(most[side], max_of(max(even_scaled, odd_scaled)));
      sum += select(0u, norm_sum(even) + norm_sum(odd), side == 1u);
      if (token < SINK_COUNT && place >= job.z) {
        let row = ((entry * 2u + side) * KV_HEAD_COUNT + head) * SINK_COUNT + token;
        sinks[row * groups_per_head + group - head * groups_per_head] = words;
      }
    }
  }
  sums[lane] = sum;
  largest[lane] = most;
  if (any(bad != vec4(0u))) {
    atomicOr(&is_bad, 1u);
  }
  workgroupBarrier();

  // 2. The step of each token.
  if (lane < 16u) {
    for (var part = 1u; part < 16u; part++) {
      sum += sums[part * 16u + lane];
      most = max(most, largest[part * 16u + lane]);
    }
    let step = select(0u, token_step(sum, most), place < job.z);
    factors[lane] = factor_recips(step);
    params[entry * (2u * BLOCK_TOKENS) + place] = step;
    params[entry * (2u * BLOCK_TOKENS) + BLOCK_TOKENS + place] = step;
    order[entry * BLOCK_TOKENS + place] = place;
    if (lane == 0u && atomicLoad(&is_bad) != 0u) {
      atomicOr(&flags[job_index], 1u);
    }
  }
  workgroupBarrier();

  // 3. Codes, a byte each.
  quantise_keys(tile, entry, lane, place_start, job);
  quantise_values(tile, entry, lane, place_start, job);
}
