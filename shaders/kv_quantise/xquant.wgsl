//: file shaders/kv_quantise/xquant.wgsl
// kv_quantise/xquant: of each group the minimum and step = range / code max, and the nearest code
// of each value, for one store of each job's raw tile; of a store that reads the codes of the one
// before minimum and step alone
//
// Source:    src/codec/FORMAT.md section 10; arXiv:2510.11236
// Binds:     src/kernels/kv_quantise/xquant.ts
// Reference: src/reference/kv_quantise/xquant.ts
// Grid:      (section, job); 64 threads, one for each token; of K also for eight channels each
// Precision: bit for bit: f16 is read, minima are found among integers, a step is rounded by
//            integer operations; f32 difference and products are correctly rounded everywhere
// Shared:    lib/kv_raw_tile.wgsl
// Needs:     KV_HEAD_COUNT, HEAD_SIZE, STORE_COUNT, TILE_COUNT, {KEY,VALUE}_BITS

const F16_MAX = 65504.0;
const F16_NORMAL_MIN = 0x1p-14f;
const THIRD = 0x1.555556p-2f; // f32(1 / 3)

// A store, and whether its records have codes.
struct Target {
  store: u32,
  has_codes: u32,
}

struct Group {
  low: f32,
  range: f32,
  word: u32, // minimum and step, as a record has them
}

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, -, -}
@group(0) @binding(1) var<storage, read> window: array<vec4<u32>>; // [slot][TILE_COUNT][tile]
@group(0) @binding(2) var<storage, read> place: array<Target>; // [1]
@group(0) @binding(3) var<storage, read_write> records: array<u32>; // [job][store][own record]
@group(0) @binding(4) var<storage, read_write> flags: array<atomic<u32>>; // [job], zeroed before

var<workgroup> lows: array<f32, HEAD_SIZE>; // of channels of K
var<workgroup> ranges: array<f32, HEAD_SIZE>;

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
  let first_eight = head * eight_count;
  let bits = select(KEY_BITS, VALUE_BITS, side == 1u);
  let code_max = (1u << bits) - 1u;

  let param_words = KV_HEAD_COUNT * (HEAD_SIZE + BLOCK_TOKENS);
  // Words of codes of a head, for each bit.
  let bit_words = HEAD_SIZE * (BLOCK_TOKENS / 32u);
  let code_words = KV_HEAD_COUNT * bit_words * (KEY_BITS + VALUE_BITS);
  let record = (workgroup_id.y * STORE_COUNT + place[0].store) * (param_words + code_words);

  var own = Group(0.0, 0.0, 0u);
  var bad = vec4<u32>(0u);
  if (side == 0u) {
    // Each thread has eight channels of all tokens.
    for (var eight = token; eight < eight_count; eight += BLOCK_TOKENS) {
      var low_even = vec4<u32>(0xffffu);
      var low_odd = vec4<u32>(0xffffu);
      var high_even = vec4<u32>(0u);
      var high_odd = vec4<u32>(0u);
      for (var other = 0u; other < BLOCK_TOKENS; other++) {
        let words = window[tile + tile_index(0u, first_eight + eight, other)];
        bad |= f16_faults(words);
        let even = in_order(words & vec4(0xffffu));
        let odd = in_order(words >> vec4(16u));
        low_even = min(low_even, even);
        high_even = max(high_even, even);
        low_odd = min(low_odd, odd);
        high_odd = max(high_odd, odd);
      }
      for (var pair = 0u; pair < 4u; pair++) {
        let channel = 8u * eight + 2u * pair;
        let even = group_of(low_even[pair], high_even[pair], code_max);
        let odd = group_of(low_odd[pair], high_odd[pair], code_max);
        records[record + head * HEAD_SIZE + channel] = even.word;
        records[record + head * HEAD_SIZE + channel + 1u] = odd.word;
        lows[channel] = even.low;
        ranges[channel] = even.range;
        lows[channel + 1u] = odd.low;
        ranges[channel + 1u] = odd.range;
      }
    }
  } else {
    var low = vec4<u32>(0xffffu);
    var high = vec4<u32>(0u);
    for (var eight = 0u; eight < eight_count; eight++) {
      let words = window[tile + tile_index(1u, first_eight + eight, token)];
      bad |= f16_faults(words);
      let even = in_order(words & vec4(0xffffu));
      let odd = in_order(words >> vec4(16u));
      low = min(low, min(even, odd));
      high = max(high, max(even, odd));
    }
    own = group_of(
      min(min(low.x, low.y), min(low.z, low.w)),
      max(max(high.x, high.y), max(high.z, high.w)),
      code_max,
    );
    records[record + KV_HEAD_COUNT * HEAD_SIZE + head * BLOCK_TOKENS + token] = own.word;
  }
  if (any(bad != vec4(0u))) {
    atomicOr(&flags[workgroup_id.y], 1u);
  }
  workgroupBarrier();
  if (place[0].has_codes == 0u) {
    return;
  }

  let value_start = side * KV_HEAD_COUNT * bit_words * KEY_BITS;
  let codes = record + param_words + value_start + head * bit_words * bits;
  let eights_per_word = 4u / bits;
  let part_count = eight_count / eights_per_word;
  for (var part = 0u; part < part_count; part++) {
    var word = 0u;
    for (var index = 0u; index < eights_per_word; index++) {
      let eight = part * eights_per_word + index;
      let words = window[tile + tile_index(side, first_eight + eight, token)];
      let even = f16_values(words & vec4(0xffffu));
      let odd = f16_values(words >> vec4(16u));
      for (var pair = 0u; pair < 4u; pair++) {
        let channel = 8u * eight + 2u * pair;
        let bit = (8u * index + 2u * pair) * bits;
        var low = vec2(own.low);
        var range = vec2(own.range);
        if (side == 0u) {
          low = vec2(lows[channel], lows[channel + 1u]);
          range = vec2(ranges[channel], ranges[channel + 1u]);
        }
        word |= code_of(even[pair] - low.x, range.x, code_max) << bit;
        word |= code_of(odd[pair] - low.y, range.y, code_max) << (bit + bits);
      }
    }
    let at = select(part * BLOCK_TOKENS + token, token * part_count + part, side == 1u);
    records[codes + at] = word;
  }
}

// Halves as integers in the order of their values, -0 before 0.
fn in_order(halves: vec4<u32>) -> vec4<u32> {
  return halves ^ select(vec4(0x8000u), vec4(0xffffu), halves > vec4(0x7fffu));
}

// The group between two such integers.
fn group_of(low: u32, high: u32, code_max: u32) -> Group {
  let lowest = low ^ select(0x8000u, 0xffffu, low < 0x8000u);
  let highest = high ^ select(0x8000u, 0xffffu, high < 0x8000u);
  let ends = f16_values(vec4(lowest, highest, 0u, 0u));
  let range = ends.y - ends.x;
  let step = min(range * select(1.0, THIRD, code_max == 3u), F16_MAX);
  return Group(ends.x, range, lowest | (half_of(step) << 16u));
}

// The nearest f16 of a number from 0 to the largest f16, ties to even.
fn half_of(value: f32) -> u32 {
  if (value < F16_NORMAL_MIN) {
    return u32(round(value * 0x1p24f));
  }
  let bits = bitcast<u32>(value);
  return ((bits + 0xfffu + ((bits >> 13u) & 1u)) >> 13u) - (112u << 10u);
}

// The nearest level of a range that is divided evenly, the upper one of two; 0 of no range.
fn code_of(above: f32, range: f32, code_max: u32) -> u32 {
  let scaled = f32(2u * code_max) * above;
  var code = 0u;
  for (var level = 1u; level <= code_max; level++) {
    code = select(code, level, scaled >= f32(2u * level - 1u) * range);
  }
  return select(code, 0u, range == 0.0);
}
