//: file shaders/kv_gather/banded.wgsl
// kv_gather/banded: codes[job, store, c, p] = the code of channel c at place source[job, store, p]
//                   of a banded record, with that token's step; nothing is quantised again;
//                   0 in channels of K that do not stay
//
// Source:    src/codec/FORMAT.md sections 7.3 to 7.5
// Binds:     src/kernels/kv_gather/banded.ts, which appends constants
// Reference: src/reference/kv_gather/banded.ts
// Grid:      (section, store of the arena, gather); 64 threads, one for each place
// Precision: integers
// Shared:    lib/band_word.wgsl
//
// A place's unit is found by adding up the bits of the units before it in its section. Codes and
// steps of absent places are 0.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32;
override STORE_COUNT: u32;
override TABLE_WORDS: u32; // of a store
override SINK_COUNT: u32;

const FRACTION_MASK: u32 = 0x0fffffffu; // of the 28 bits that a fraction is kept in

// [gather][store]{scratch entry, places, record of the sinks, -, [64]{record, place}}
@group(0) @binding(0) var<storage, read> gathers: array<u32>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> bands: array<u32>; // by store: [side][c][8]
// Scratch: [entry][store], then [side][channel][words], [side][tokens], as in a record.
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> params: array<u32>;
@group(0) @binding(5) var<storage, read_write> sinks: array<u32>;
@group(0) @binding(6) var<uniform> first_store: u32;
@group(0) @binding(7) var<storage, read> kept_channels: array<u32>; // [gather][store][K's sections]
@group(0) @binding(8) var<storage, read> points: array<u32>; // digits by place

var<workgroup> image: array<atomic<u32>, 32u * CODE_WORDS>; // codes of the section's channels

// The band of a channel of a row, as the section's planes say.
fn band_of(bands_start: u32, section: u32, row: u32, channel: u32) -> u32 {
  let planes = section + row * 3u;
  let index = ((arena[planes] >> channel) & 1u) | (((arena[planes + 1u] >> channel) & 1u) << 1u) |
    (((arena[planes + 2u] >> channel) & 1u) << 2u);
  return bands[bands_start + channel * 8u + index];
}

// 32 bits from bit `bit` of what begins at word `start`.
fn bits_at(start: u32, bit: u32) -> u32 {
  let word = start + (bit >> 5u);
  let shift = bit & 31u;
  return (arena[word] >> shift) | ((arena[word + 1u] << 1u) << (31u - shift));
}

// Digit `index` of eight, of a number of `width` bits.
fn digit_at(word: u32, width: u32, levels: u32, index: u32) -> u32 {
  var fraction = (word << ((32u - width) & 31u)) >> 4u;
  var digit = 0u;
  for (var i = 0u; i <= index; i++) {
    fraction *= levels;
    digit = fraction >> 28u;
    fraction &= FRACTION_MASK;
  }
  return select(digit, word & 15u, index == 7u && levels == 16u);
}

fn code_at(payload: u32, bit: u32, band: u32, index: u32) -> u32 {
  let width = band_bits(band);
  if (is_ball(band)) {
    let word = points[bits_at(payload, bit) & ((1u << width) - 1u)];
    return band_least(band) + ((word >> (3u * (PACK_SIZE - 1u - index))) & 7u);
  }
  let low_width = min(width, 32u);
  let low = digit_at(bits_at(payload, bit), low_width, band_low(band), index);
  var high = 0u;
  if (width > 32u) {
    high = digit_at(bits_at(payload, bit + 32u), width - 32u, band_high(band), index);
  }
  return band_least(band) + low + 16u * high;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let part_count = HEAD_SIZE / 32u;
  let section_count = 2u * KV_HEAD_COUNT * part_count;
  let index = workgroup_id.x;
  let store = first_store + workgroup_id.y;
  let gather = (workgroup_id.z * STORE_COUNT + store) * GATHER_WORDS;
  let entry = gathers[gather] * STORE_COUNT + store;
  let place_count = gathers[gather + 1u];
  var kept = 0xffffffffu;
  if (index < section_count / 2u) {
    let kept_start = (workgroup_id.z * STORE_COUNT + store) * (section_count / 2u);
    kept = kept_channels[kept_start + index];
  }

  // 1. Codes and step of the lane's token; 0 if it is absent.
  var step = 0u;
  if (lane < place_count) {
    let record = gathers[gather + HEADER_WORDS + 2u * lane];
    let place = gathers[gather + HEADER_WORDS + 2u * lane + 1u];
    let section = record + arena[record + index];
    let payload = section + PLANE_WORDS;
    let bands_start = store * TABLE_WORDS + index * (32u * 8u);
    let row = place / PACK_SIZE;
    var bit = 0u;
    for (var before = 0u; before < row; before++) {
      for (var channel = 0u; channel < 32u; channel++) {
        bit += band_bits(band_of(bands_start, section, before, channel));
      }
    }
    for (var channel = 0u; channel < 32u; channel++) {
      let band = band_of(bands_start, section, row, channel);
      let code = code_at(payload, bit, band, place % PACK_SIZE);
      let stays = ((kept >> channel) & 1u) == 1u;
      let byte = select(0u, code, stays) << (8u * (lane & 3u));
      atomicOr(&image[channel * CODE_WORDS + (lane >> 2u)], byte);
      bit += band_bits(band);
    }
    let steps = arena[record + section_count + (place >> 2u)];
    step = (steps >> (8u * (place & 3u))) & 0xffu;
  }
  if (index == 0u) {
    params[entry * (2u * BLOCK_TOKENS) + lane] = step;
    params[entry * (2u * BLOCK_TOKENS) + BLOCK_TOKENS + lane] = step;
  }
  workgroupBarrier();
  let codes_start = (entry * section_count + index) * (32u * CODE_WORDS);
  for (var word = lane; word < 32u * CODE_WORDS; word += 64u) {
    codes[codes_start + word] = atomicLoad(&image[word]);
  }

  // 2. The section's channels of the sinks: 16 words of each.
  let sink_record = gathers[gather + 2u];
  if (sink_record != NO_RECORD) {
    let head_start = (index / part_count) * SINK_COUNT * (HEAD_SIZE / 2u);
    for (var i = lane; i < SINK_COUNT * 16u; i += 64u) {
      let word = head_start + (i >> 4u) * (HEAD_SIZE / 2u) + (index % part_count) * 16u + (i & 15u);
      let start = entry * SINK_COUNT * KV_HEAD_COUNT * HEAD_SIZE;
      sinks[start + word] = arena[sink_record + section_count + TOKEN_STEP_WORDS + word];
    }
  }
}
