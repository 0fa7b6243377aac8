//: file shaders/kv_quantise/banded.wgsl
// kv_quantise/banded: codes[c, 8 r ..] + 128 = the point of the lattice E8 that is nearest to
//                     x[c, t] / step[c] * factor[e[t]] + carry, t in 8 r .. 8 r + 7, with one token
//                     step e[t] by the magnitude of the token's V; of K carry is 0, of V a quarter
//                     of the error of the channel's token before
//
// Source:    src/codec/FORMAT.md section 7.2
// Binds:     src/kernels/kv_quantise/banded.ts
// Reference: src/reference/kv_quantise/banded.ts
// Grid:      (16 tokens, job); 256 threads: 16 tokens x 16 parts of the channels for the step,
//            then 16 tokens of the even or the odd channels of a group of 8 of a side each
// Precision: bit for bit: f16 is read by integer operations, sums are of integers, and each f32
//            product and round is correctly rounded everywhere
// Shared:    lib/kv_raw_tile.wgsl
//
// The token at place p is first_token + p, modulo BLOCK_TOKENS: so the sinks are the tokens of the
// absent places. Their values are copied out as they are.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // multiple of 32
override STORE_COUNT: u32;
override SINK_COUNT: u32;
override TILE_COUNT: u32; // raw tiles per slot

const VALUE_MAX = 126.0; // in codes; a code is at most one further
const CODE_BIAS = 128;
const NORM_PART_MAX = 32768.0;
const CODE_PARTS = 256.0; // of a code, in which values and errors are counted
const CODE_PART_BITS = 8u;
const ERROR_SHIFT_BITS = 2u; // a quarter of an error is carried
const HALF_CODE = 128; // in parts
const NO_PATH_COST = 1 << 30;

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, present, first}
@group(0) @binding(1) var<storage, read> window: array<vec4<u32>>; // [slot][TILE_COUNT][tile]
@group(0) @binding(2) var<storage, read> tables: array<vec4<u32>>; // quantiserWords of the store
@group(0) @binding(3) var<storage, read_write> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(4) var<storage, read_write> params: array<u32>; // [job][store][side][tokens]
@group(0) @binding(5) var<storage, read_write> sinks: array<vec4<u32>>; // of records, [job][store]
@group(0) @binding(6) var<storage, read_write> flags: array<atomic<u32>>; // [job], zeroed before
@group(0) @binding(7) var<uniform> store: u32;

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
    step < TOKEN_STEP_MAX && any(round(largest_scaled * factor_recips(step)) > vec2(VALUE_MAX))
  ) {
    step++;
  }
  return step;
}

// Codes chosen so far for a pack of each of four channels, of which the sum is even or odd.
struct Path {
  cost: vec4<i32>, // sums of squared errors
  error: vec4<i32>, // of the last values
  first: vec4<u32>, // codes of places 0 to 3, a byte each
  last: vec4<u32>, // of places 4 to 7
}

// A place of a pack: its values in parts of a code, less what a shifted pack adds to them.
struct Target {
  parts: vec4<i32>,
  place: u32,
  carry_mask: vec4<i32>, // all bits if errors are carried
}

// One more code: of the two next to the target that of this parity.
fn extended(path: Path, target_parts: Target, parity: i32) -> Path {
  let carried = (path.error >> vec4(ERROR_SHIFT_BITS)) & target_parts.carry_mask;
  let wanted = target_parts.parts + carried;
  let below = wanted >> vec4(CODE_PART_BITS);
  let code = below + ((below ^ vec4(parity)) & vec4(1));
  let error = wanted - (code << vec4(CODE_PART_BITS));
  let biased = vec4<u32>(code + vec4(CODE_BIAS)) << vec4(8u * (target_parts.place & 3u));
  let is_first = target_parts.place < 4u;
  return Path(
    path.cost + error * error,
    error,
    path.first | select(vec4(0u), biased, is_first),
    path.last | select(biased, vec4(0u), is_first),
  );
}

fn cheaper(first: Path, second: Path) -> Path {
  let is_second = second.cost < first.cost;
  return Path(
    select(first.cost, second.cost, is_second),
    select(first.error, second.error, is_second),
    select(first.first, second.first, is_second),
    select(first.last, second.last, is_second),
  );
}

// The lattice point nearest to the pack at `place_start` of four channels. FORMAT.md section 7.2.
fn nearest_point(channels: Channels, place_start: u32, error: vec4<i32>, job: vec4<u32>) -> Path {
  let none = Path(vec4(NO_PATH_COST), vec4(0), vec4(0u), vec4(0u));
  let start = Path(vec4(0), error, vec4(0u), vec4(0u));
  var plain_even = start;
  var plain_odd = none;
  var shifted_even = start;
  var shifted_odd = none;
  for (var place = 0u; place < PACK_SIZE && place_start + place < job.z; place++) {
    let parts = value_parts(channels, place_start + place, job);
    let plain = Target(parts, place, channels.carry_mask);
    let shift = select(-HALF_CODE, HALF_CODE, place == PACK_SIZE - 1u);
    let shifted = Target(parts + vec4(shift), place, channels.carry_mask);
    let even = cheaper(extended(plain_even, plain, 0), extended(plain_odd, plain, 1));
    plain_odd = cheaper(extended(plain_even, plain, 1), extended(plain_odd, plain, 0));
    plain_even = even;
    let other = cheaper(extended(shifted_even, shifted, 0), extended(shifted_odd, shifted, 1));
    shifted_odd = cheaper(extended(shifted_even, shifted, 1), extended(shifted_odd, shifted, 0));
    shifted_even = other;
  }
  if (place_start + PACK_SIZE > job.z) {
    return cheaper(plain_even, plain_odd);
  }
  return cheaper(plain_even, shifted_odd);
}

// Four channels of a group of 8, the even or the odd ones.
struct Channels {
  tile: u32,
  side: u32,
  group: u32,
  is_odd: bool,
  recip: vec4<f32>, // of their steps
  carry_mask: vec4<i32>,
}

// Values of a place in parts of a code.
fn value_parts(channels: Channels, place: u32, job: vec4<u32>) -> vec4<i32> {
  let token = (job.w + place) & (BLOCK_TOKENS - 1u);
  let words = window[channels.tile + tile_index(channels.side, channels.group, token)];
  let halves = select(words & vec4(0xffffu), words >> vec4(16u), channels.is_odd);
  let scaled = f16_values(halves) * channels.recip * factors[place & 15u][channels.side];
  return vec4<i32>(round(clamp(scaled, vec4(-VALUE_MAX), vec4(VALUE_MAX)) * CODE_PARTS));
}

fn quantise(tile: u32, entry: u32, lane: u32, place_start: u32, job: vec4<u32>) {
  let group_count = KV_HEAD_COUNT * HEAD_SIZE / 8u;
  for (var item = lane; item < 4u * group_count; item += 256u) {
    let is_odd = (item & 1u) == 1u;
    let side = select(0u, 1u, item >= 2u * group_count);
    let group = (item >> 1u) - side * group_count;
    let recip = select(even_recips(side, group), odd_recips(side, group), is_odd);
    let channels = Channels(tile, side, group, is_odd, recip, vec4(-i32(side)));
    let start = (entry * 2u + side) * (KV_HEAD_COUNT * HEAD_SIZE * CODE_WORDS) +
      (place_start >> 2u) + group * (8u * CODE_WORDS) + select(0u, CODE_WORDS, is_odd);
    var error = vec4<i32>(0);
    for (var pack = 0u; pack < 2u; pack++) {
      let point = nearest_point(channels, place_start + pack * PACK_SIZE, error, job);
      store_codes(start + 2u * pack, point.first);
      store_codes(start + 2u * pack + 1u, point.last);
      error = point.error;
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
    if (lane == 0u && atomicLoad(&is_bad) != 0u) {
      atomicOr(&flags[job_index], 1u);
    }
  }
  workgroupBarrier();

  // 3. Codes, a byte each.
  quantise(tile, entry, lane, place_start, job);
}
