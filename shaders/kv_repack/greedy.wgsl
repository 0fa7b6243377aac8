//: file shaders/kv_repack/greedy.wgsl
// kv_repack/greedy: order[store, :] = packs of tokens that are alike: each starts with the token
//                   closest to the mean of those left, then takes the one that widens it least
//
// Source:    src/codec/FORMAT.md section 3
// Binds:     src/kernels/kv_repack/greedy.ts
// Reference: src/reference/kv_repack/greedy.ts
// Grid:      (store, job); LANE_COUNT threads: a channel each to update the pack, then 16 quads of
//            tokens x PART_COUNT parts of the channels for the costs
// Precision: integers; f32 only of integers below 2^10
// Shared:    lib/wide_integer.wgsl
//
// The cost of every token is kept from place to place. A place changes it only by the channels
// whose range the new token widens; these are listed, in any order, and all lanes go through the
// list. A channel as wide as its codes allow costs every token the same and is listed no more.

override CHANNEL_COUNT: u32; // of a side: KV heads x head size
override STORE_COUNT: u32;
override PACK_SIZE: u32; // 4, 8, 16 or 32
override KEY_BITS: u32;
override VALUE_BITS: u32;
override LANE_COUNT: u32; // 64 to 256, multiple of 64
override PART_COUNT = LANE_COUNT / 16u;

const CHUNK_SIZE = 1024u; // channels listed at a time
const NO_TOKEN = BLOCK_TOKENS;
const WIDTH_MAX = 8u;
const WIDEST = 0xff00u; // the range 0..255
const NO_KEY = 0xffffffffu;

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {slot, tile, token_count, -}
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(2) var<storage, read_write> ranges: array<u32>; // [job][store][side][c]
@group(0) @binding(3) var<storage, read_write> order: array<u32>; // [job][store][tokens]

// Of the chunk: {channel, old range | new range << 16}, or {sum of the codes left, 0}. A range is
// {least in bits 0 to 7, greatest in bits 8 to 15}; ranges are only used by their own lane.
var<workgroup> list: array<vec2<u32>, CHUNK_SIZE>;
var<workgroup> list_counts: array<atomic<u32>, 2>; // of this chunk and of the next, in turn
var<workgroup> remaining: array<u32, CODE_WORDS>; // a byte per token: 1 if it has no place yet
var<workgroup> best: atomic<u32>; // the next token in bits 0 to 5
var<workgroup> shares: array<vec4<u32>, LANE_COUNT>; // of the sums of four tokens, by [part][quad]
var<workgroup> squared_dots: array<vec4<u32>, BLOCK_TOKENS>;
var<workgroup> norms: array<u32, BLOCK_TOKENS>;
var<workgroup> contenders: array<u32, BLOCK_TOKENS>;

fn chunk_end(chunk: u32) -> u32 {
  return min(CHUNK_SIZE, 2u * CHANNEL_COUNT - chunk);
}

// The sum of a token's shares. Begins and ends with a barrier.
fn token_sum(share: vec4<u32>, lane: u32) -> vec2<u32> {
  shares[lane] = share;
  workgroupBarrier();
  var sum = vec2<u32>(0u);
  for (var part = 0u; part < PART_COUNT; part++) {
    let quad = (lane >> 2u) & 15u;
    sum = wide_sum(sum, vec2(shares[part * 16u + quad][lane & 3u], 0u));
  }
  workgroupBarrier();
  return sum;
}

// Whether token b is to be preferred to token a as the start of a pack.
fn is_closer(a: u32, b: u32) -> bool {
  if (a == NO_TOKEN || b == NO_TOKEN) {
    return a == NO_TOKEN;
  }
  let left = wide_times_word(squared_dots[a], norms[b]);
  let right = wide_times_word(squared_dots[b], norms[a]);
  return wide_is_less(left, right) || (b < a && all(left == right));
}

// The token of largest cosine to the mean of those left, to `best`. Ends with a barrier.
fn find_start(start: u32, lane: u32) {
  let quad = lane & 15u;
  var dot_low = vec4<u32>(0u);
  var dot_high = vec4<u32>(0u);
  var norm = vec4<u32>(0u);
  for (var chunk = 0u; chunk < 2u * CHANNEL_COUNT; chunk += CHUNK_SIZE) {
    for (var i = lane; i < chunk_end(chunk); i += LANE_COUNT) {
      var sum = 0u;
      for (var word = 0u; word < CODE_WORDS; word += 4u) {
        let first = start + (chunk + i) * CODE_WORDS + word;
        sum += dot4U8Packed(codes[first], remaining[word]);
        sum += dot4U8Packed(codes[first + 1u], remaining[word + 1u]);
        sum += dot4U8Packed(codes[first + 2u], remaining[word + 2u]);
        sum += dot4U8Packed(codes[first + 3u], remaining[word + 3u]);
      }
      list[i].x = sum;
    }
    workgroupBarrier();
    for (var i = lane >> 4u; i < chunk_end(chunk); i += PART_COUNT) {
      let own = unpack4xU8(codes[start + (chunk + i) * CODE_WORDS + quad]);
      let product = own * list[i].x;
      dot_low += product;
      dot_high += select(vec4(0u), vec4(1u), dot_low < product);
      norm += own * own;
    }
    workgroupBarrier();
  }
  // Each of the first lanes has a token from here on.
  let token_dot = token_sum(dot_low, lane) + vec2(0u, token_sum(dot_high, lane).x);
  let token_norm = max(token_sum(norm, lane).x, 1u);
  if (lane < BLOCK_TOKENS) {
    squared_dots[lane] = wide_times(vec4(token_dot, 0u, 0u), token_dot);
    norms[lane] = token_norm;
    let is_left = ((remaining[lane >> 2u] >> (8u * (lane & 3u))) & 1u) == 1u;
    contenders[lane] = select(NO_TOKEN, lane, is_left);
  }
  workgroupBarrier();
  for (var half = BLOCK_TOKENS / 2u; half > 0u; half >>= 1u) {
    if (lane < half && is_closer(contenders[lane], contenders[lane + half])) {
      contenders[lane] = contenders[lane + half];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    atomicStore(&best, contenders[0]);
  }
  workgroupBarrier();
}

// The token of least cost, to `best`. Ends with a barrier.
fn find_cheapest(lane: u32) {
  if (lane < 16u) {
    var sum = shares[lane];
    for (var part = 1u; part < PART_COUNT; part++) {
      sum += shares[part * 16u + lane];
    }
    let tokens = vec4(4u * lane) + vec4(0u, 1u, 2u, 3u);
    let is_left = unpack4xU8(remaining[lane]) == vec4(1u);
    let keys = select(vec4(NO_KEY), (sum << vec4(6u)) | tokens, is_left);
    atomicMin(&best, min(min(keys.x, keys.y), min(keys.z, keys.w)));
  }
  workgroupBarrier();
}

// Lists the channels of a chunk whose range a token widens. All are new if it starts the pack.
fn widen(chunk: u32, lane: u32, token: u32, is_first: bool, entry: u32, turn: u32) {
  for (var i = lane; i < chunk_end(chunk); i += LANE_COUNT) {
    let index = entry * 2u * CHANNEL_COUNT + chunk + i;
    let code = (codes[index * CODE_WORDS + (token >> 2u)] >> (8u * (token & 3u))) & 0xffu;
    var old = WIDEST;
    var range = code | (code << 8u);
    if (!is_first) {
      old = ranges[index];
      range = min(old & 0xffu, code) | (max(old >> 8u, code) << 8u);
    }
    let bits = select(KEY_BITS, VALUE_BITS, chunk + i >= CHANNEL_COUNT);
    let can_widen = is_first || (old >> 8u) - (old & 0xffu) < (1u << (bits - 1u));
    if (range != old && can_widen) {
      list[atomicAdd(&list_counts[turn], 1u)] = vec2(chunk + i, old | (range << 16u));
    }
    ranges[index] = range;
  }
}

// 127 + the width of a channel if these codes join its range: the exponent of 2 * range + 1.
fn widths(own: vec4<u32>, range: u32) -> vec4<u32> {
  let low = vec4(range & 0xffu);
  let high = vec4((range >> 8u) & 0xffu);
  let spread = max(own, high) - min(own, low);
  return bitcast<vec4<u32>>(vec4<f32>(spread * 2u + vec4(1u))) >> vec4(23u);
}

@compute @workgroup_size(LANE_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let entry = workgroup_id.y * STORE_COUNT + workgroup_id.x;
  let start = entry * 2u * CHANNEL_COUNT * CODE_WORDS;
  let token_count = jobs[workgroup_id.y].z;
  let part = lane >> 4u;
  if (lane < 16u) {
    let tokens = vec4(4u * lane) + vec4(0u, 1u, 2u, 3u);
    remaining[lane] = pack4xU8(select(vec4(0u), vec4(1u), tokens < vec4(token_count)));
  }
  if (lane >= token_count && lane < BLOCK_TOKENS) {
    order[entry * BLOCK_TOKENS + lane] = lane;
  }
  workgroupBarrier();

  var cost = vec4<u32>(0u); // of four tokens, this part's share; may be negative, modulo 2^32
  var turn = 0u;
  for (var place = 0u; place < token_count; place++) {
    let is_first = (place & (PACK_SIZE - 1u)) == 0u;
    if (is_first) {
      find_start(start, lane);
      // As if all channels had been of the widest range, which the first token then narrows.
      cost = vec4(select(0u, 2u * CHANNEL_COUNT * WIDTH_MAX, part == 0u));
    } else {
      find_cheapest(lane);
    }
    let token = atomicLoad(&best) & 63u;
    if (lane == 0u) {
      order[entry * BLOCK_TOKENS + place] = token;
      remaining[token >> 2u] &= ~(1u << (8u * (token & 3u)));
    }
    for (var chunk = 0u; chunk < 2u * CHANNEL_COUNT; chunk += CHUNK_SIZE) {
      widen(chunk, lane, token, is_first, entry, turn);
      workgroupBarrier();
      let count = atomicLoad(&list_counts[turn]);
      for (var i = part; i < count; i += PART_COUNT) {
        let own = unpack4xU8(codes[start + list[i].x * CODE_WORDS + (lane & 15u)]);
        cost += widths(own, list[i].y >> 16u) - widths(own, list[i].y & 0xffffu);
      }
      turn ^= 1u;
      if (lane == 0u) {
        atomicStore(&list_counts[turn], 0u);
        atomicStore(&best, NO_KEY);
      }
      shares[lane] = cost;
      workgroupBarrier();
    }
  }
}
