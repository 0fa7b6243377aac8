//: file shaders/kv_describe/deltakv.wgsl
// kv_describe/deltakv: codes[c, t] = (codes[c, t] - mean of nearest centres + 2^(b - 1)) mod 2^b,
//              in sections of one store that pack smaller so; order, sizes and head of the record
//
// Source:    src/codec/FORMAT.md section 11; arXiv:2602.08005
// Binds:     src/kernels/kv_describe/deltakv.ts
// Reference: src/reference/kv_describe/deltakv.ts
// Grid:      (job); 64 threads, one for each token, which stride over packs and words
// Precision: integers
// Shared:    lib/deltakv_centres.wgsl
//
// The codes are read three times: for the nearest centres, to measure, and to be replaced.

@group(0) @binding(0) var<storage, read_write> codes: array<u32>; // [job][store][side][c][words]
@group(0) @binding(1) var<storage, read> params: array<u32>; // [job][store][side][tokens]
@group(0) @binding(2) var<storage, read> turns: array<u32>;
@group(0) @binding(3) var<storage, read> store_index: array<u32>; // [1]
@group(0) @binding(4) var<storage, read_write> order: array<u32>; // [job][store][tokens]
@group(0) @binding(5) var<storage, read_write> sizes: array<u32>; // [job][store][section]
@group(0) @binding(6) var<storage, read_write> heads: array<u32>; // [job][store][HEAD_WORDS]

const SECTION_COUNT = 2u * KV_HEAD_COUNT;
const ROW_COUNT = BLOCK_TOKENS / PACK_SIZE;
const DIFFERENCE_MAX = vec4(127i); // quarters of a step

var<workgroup> quanta: array<Eight, CENTRE_COUNT>; // of the centres, of eight channels at a time
var<workgroup> own_codes: array<u32, 8u * BLOCK_TOKENS>; // [channel of eight][token]
var<workgroup> differences: array<u32, 8u * BLOCK_TOKENS>;
// Widths of a section: tokens in their order; centres first; the same of differences.
var<workgroup> width_sums: array<atomic<u32>, 3>;
var<workgroup> head: array<atomic<u32>, HEAD_WORDS>;
// Words of payload: tokens in their order; centres first, and described where that is less.
var<workgroup> word_counts: array<vec2<u32>, SECTION_COUNT>;
var<workgroup> described: array<u32, SECTION_COUNT>;
var<workgroup> has_table: u32;

fn quanta_of(centre: u32, eight: u32) -> Eight {
  return quanta[centre];
}

// Word of the codes of the first of eight channels of a section.
fn codes_start(entry: u32, section: u32, eight: u32) -> u32 {
  return ((entry * SECTION_COUNT + section) * HEAD_SIZE + eight * 8u) * CODE_WORDS;
}

fn code_at(start: u32, channel: u32, token: u32) -> i32 {
  return i32((codes[start + channel * CODE_WORDS + (token >> 2u)] >> (8u * (token & 3u))) & 0xffu);
}

fn eight_codes(start: u32, token: u32) -> Eight {
  return Eight(
    vec4(
      code_at(start, 0u, token),
      code_at(start, 1u, token),
      code_at(start, 2u, token),
      code_at(start, 3u, token),
    ),
    vec4(
      code_at(start, 4u, token),
      code_at(start, 5u, token),
      code_at(start, 6u, token),
      code_at(start, 7u, token),
    ),
  );
}

// Makes `ratios` of a side; its zero of the token.
fn take_side(entry: u32, is_value: bool, token: u32) -> i32 {
  let first = (entry * 2u + u32(is_value)) * BLOCK_TOKENS;
  let own = params[first + token];
  for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
    ratios[centre] = scale_ratio(params[first + centre * STRIDE], own);
  }
  return bitcast<i32>(own) >> 16u;
}

// Squares of what each step differs by from what a centre says, in quarters.
fn squares(own: vec4<i32>, said: vec4<i32>) -> u32 {
  let difference = (own << vec4(2u)) - ((said + (1i << 13u)) >> vec4(14u));
  let bounded = clamp(difference, -DIFFERENCE_MAX, DIFFERENCE_MAX);
  return u32(dot(bounded, bounded));
}

// Adds up to `head` which centres are the nearest; they as a mask.
fn choose(entry: u32, token: u32) -> u32 {
  var distances = array<u32, CENTRE_COUNT>();
  var zero = 0i;
  for (var section = 0u; section < SECTION_COUNT; section++) {
    let is_value = section >= KV_HEAD_COUNT;
    if (section % KV_HEAD_COUNT == 0u) {
      zero = take_side(entry, is_value, token);
    }
    for (var eight = 0u; eight < HEAD_SIZE / 8u; eight++) {
      let own = eight_codes(codes_start(entry, section, eight), token);
      let values = Eight(own.low + zero, own.high + zero);
      if (is_centre(token)) {
        quanta[token / STRIDE] = values;
      }
      workgroupBarrier();
      for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
        let said = said_by(centre, token, eight, is_value);
        distances[centre] += squares(values.low, said.low) + squares(values.high, said.high);
      }
      workgroupBarrier();
    }
  }
  var mask = 0u;
  for (var count = 0u; count < NEIGHBOUR_COUNT && !is_centre(token); count++) {
    var best = CENTRE_COUNT;
    for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
      let is_free = ((mask >> centre) & 1u) == 0u;
      if (is_free && (best == CENTRE_COUNT || distances[centre] < distances[best])) {
        best = centre;
      }
    }
    mask |= 1u << best;
    atomicOr(&head[TABLE_WORD + 2u * best + (token >> 5u)], 1u << (token & 31u));
  }
  return mask;
}

// Lays out eight channels of all tokens, and what they differ by.
fn lay_out(start: u32, zero: i32, section: u32, eight: u32, token: u32, mask: u32) {
  let is_value = section >= KV_HEAD_COUNT;
  let own = eight_codes(start, token);
  if (is_centre(token)) {
    quanta[token / STRIDE] = Eight(own.low + zero, own.high + zero);
  }
  workgroupBarrier();
  let code_count = 1i << select(KEY_BITS, VALUE_BITS, is_value);
  let said = codes_said(mask, token, eight, zero, is_value);
  for (var i = 0u; i < 4u; i++) {
    let low = (own.low[i] - said.low[i] + code_count / 2i) & (code_count - 1i);
    let high = (own.high[i] - said.high[i] + code_count / 2i) & (code_count - 1i);
    own_codes[i * BLOCK_TOKENS + token] = u32(own.low[i]);
    own_codes[(4u + i) * BLOCK_TOKENS + token] = u32(own.high[i]);
    differences[i * BLOCK_TOKENS + token] = u32(select(low, own.low[i], is_centre(token)));
    differences[(4u + i) * BLOCK_TOKENS + token] =
      u32(select(high, own.high[i], is_centre(token)));
  }
  workgroupBarrier();
}

// Adds the widths of the packs of eight channels that are laid out.
fn add_widths(lane: u32) {
  for (var pack = lane; pack < 8u * ROW_COUNT; pack += BLOCK_TOKENS) {
    let first = pack / ROW_COUNT * BLOCK_TOKENS;
    var low = vec3(255u);
    var high = vec3(0u);
    for (var i = 0u; i < PACK_SIZE; i++) {
      let place = pack % ROW_COUNT * PACK_SIZE + i;
      let token = token_at(place);
      let found =
        vec3(own_codes[first + place], own_codes[first + token], differences[first + token]);
      low = min(low, found);
      high = max(high, found);
    }
    let widths = 32u - countLeadingZeros(high - low);
    atomicAdd(&width_sums[0], widths.x);
    atomicAdd(&width_sums[1], widths.y);
    atomicAdd(&width_sums[2], widths.z);
  }
}

fn payload_words(kind: u32) -> u32 {
  return (PACK_SIZE * atomicLoad(&width_sums[kind]) + 31u) / 32u;
}

// Measures all sections in each way, and says which are described.
fn measure(entry: u32, token: u32, mask: u32) {
  var zero = 0i;
  var whole = 0u;
  var mixed = 0u;
  var any = false;
  for (var section = 0u; section < SECTION_COUNT; section++) {
    if (section % KV_HEAD_COUNT == 0u) {
      zero = take_side(entry, section >= KV_HEAD_COUNT, token);
    }
    for (var eight = 0u; eight < HEAD_SIZE / 8u; eight++) {
      lay_out(codes_start(entry, section, eight), zero, section, eight, token, mask);
      add_widths(token);
      workgroupBarrier();
    }
    let words = vec3(payload_words(0u), payload_words(1u), payload_words(2u));
    workgroupBarrier();
    whole += words.x;
    mixed += min(words.y, words.z);
    any = any || words.z < words.y;
    if (token == 0u) {
      word_counts[section] = vec2(words.x, min(words.y, words.z));
      described[section] = u32(words.z < words.y);
      atomicOr(&head[section / 32u], u32(words.z < words.y) << (section % 32u));
    }
    if (token < 3u) {
      atomicStore(&width_sums[token], 0u);
    }
    workgroupBarrier();
  }
  if (token == 0u) {
    has_table = u32(any && mixed + TABLE_WORDS < whole);
  }
}

// Puts differences in the place of the codes of a section.
fn replace(entry: u32, section: u32, token: u32, mask: u32) {
  let zero = take_side(entry, section >= KV_HEAD_COUNT, token);
  for (var eight = 0u; eight < HEAD_SIZE / 8u; eight++) {
    let start = codes_start(entry, section, eight);
    lay_out(start, zero, section, eight, token, mask);
    for (var word = token; word < 8u * CODE_WORDS; word += BLOCK_TOKENS) {
      let first = 4u * word;
      codes[start + word] = differences[first] | (differences[first + 1u] << 8u) |
        (differences[first + 2u] << 16u) | (differences[first + 3u] << 24u);
    }
    workgroupBarrier();
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) token: u32,
) {
  let entry = workgroup_id.x * STORE_COUNT + store_index[0];
  let mask = choose(entry, token);
  measure(entry, token, mask);
  let is_ordered = workgroupUniformLoad(&has_table) != 0u;
  for (var section = 0u; section < SECTION_COUNT && is_ordered; section++) {
    if (workgroupUniformLoad(&described[section]) != 0u) {
      replace(entry, section, token, mask);
    }
  }
  for (var section = token; section < SECTION_COUNT; section += BLOCK_TOKENS) {
    let words = word_counts[section];
    let marked = words.y + select(0u, HAS_TABLE, section == 0u);
    sizes[entry * SECTION_COUNT + section] = select(words.x, marked, is_ordered);
  }
  order[entry * BLOCK_TOKENS + token] = select(token, token_at(token), is_ordered);
  for (var word = token; word < HEAD_WORDS; word += BLOCK_TOKENS) {
    heads[entry * HEAD_WORDS + word] = select(0u, atomicLoad(&head[word]), is_ordered);
  }
}
