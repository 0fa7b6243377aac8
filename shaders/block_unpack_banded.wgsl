// block_unpack_banded: one side (K or V) of banded blocks to raw f16 tiles, for prefill:
//   x[t, c] = (code - 128) * step_c * factor[e_t], rounded to f16 and clipped to its range
//
// Source:    src/codec/FORMAT.md sections 11.4 and 11.5
// Binds:     src/kernels/block_unpack_banded.ts, which appends constants
// Reference: src/reference/block_unpack_banded.ts
// Grid:      (section of the side, block of the segment); 256 threads: a unit each, then a token's
//            8 channels each
// Precision: integer codes, two f32 products, f16 out
// Shared:    lib/band_unit.wgsl, lib/band_word.wgsl
//
// All units of a section are read at once: their bits, a byte each, are added up by dot products,
// eight words to a row. In the first block the absent places hold the sinks.
// Markers: k = digits of a unit, w = words of a row's bits, r = rows, p = pairs of 8 channels.

const F16_MAX: f32 = 65504.0;
const CODE_BIAS: f32 = 128.0;
const ONES: u32 = 0x01010101u;
// Of a channel's tokens in workgroup memory: one more than a multiple of the banks.
const STRIDE: u32 = 65u;

@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>; // slot, -, blocks, - of row 0
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<u32>; // [slot][BLOCK_COUNT_MAX]
@group(0) @binding(3) var<storage, read> segment: array<u32>; // [1]: first block
@group(0) @binding(4) var<storage, read> tables: array<u32>; // readerWords of the layer
@group(0) @binding(5) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment

var<workgroup> unit_bits: array<atomic<u32>, 64>; // a byte per unit, [row][channel]
var<workgroup> row_bits: array<u32, 8>;
var<workgroup> values: array<f32, 32u * STRIDE>; // [channel][token], before the token's factor

fn band_word(index: u32) -> u32 {
  return tables[index];
}

fn table_float(index: u32) -> f32 {
  return bitcast<f32>(tables[index]);
}

// Place of 8 channels of one token in a side of a tile: K by 8 channels, V by tokens.
fn tile_place(kv_head: u32, eight: u32, token: u32) -> u32 {
  let key_place = (kv_head * (D / 8u) + eight) * 64u + token;
  let value_place = (kv_head * 64u + token) * (D / 8u) + eight;
  return select(key_place, value_place, SIDE == 1u);
}

// The first bit of a thread's unit: rows before its own, words before its own, bytes before.
fn unit_start(lane: u32) -> u32 {
  let own_row = lane >> 5u;
  let own_word = (lane >> 2u) & 7u;
  let bytes_before = ONES & ((1u << (8u * (lane & 3u))) - 1u);
  var start = dot4U8Packed(atomicLoad(&unit_bits[lane >> 2u]), bytes_before);
  start += select(0u, row_bits[$r], $ru < own_row);
  let word$w = select(0u, atomicLoad(&unit_bits[own_row * 8u + $wu]), $wu < own_word);
  start += dot4U8Packed(word$w, ONES);
  return start;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = segment[0] + workgroup.y;
  if (block >= rows[0].z) {
    return;
  }
  let kv_head = workgroup.x / PART_COUNT;
  let part = workgroup.x % PART_COUNT;
  let record = directory[rows[0].x * BLOCK_COUNT_MAX + block];
  let section = record + arena[record + SECTION_TABLE_WORD + workgroup.x];
  let row = lane >> 5u;
  let channel = lane & 31u;
  let flat = workgroup.x * 32u + channel; // over all heads of the side

  // 1. The band of each unit.
  let band = band_entry(section, row, channel, (SIDE * CHANNEL_COUNT + workgroup.x * 32u) * 8u);
  atomicOr(&unit_bits[lane >> 2u], band_bits(band) << (8u * (lane & 3u)));
  workgroupBarrier();
  if (lane < 8u) {
    var bits = 0u;
    bits += dot4U8Packed(atomicLoad(&unit_bits[lane * 8u + $wu]), ONES);
    row_bits[lane] = bits;
  }
  workgroupBarrier();

  // 2. Its digits.
  let payload = section + PLANE_WORDS;
  let bit = unit_start(lane);
  let low = band_low(band);
  var fraction = unit_fraction(unit_word(payload, bit), min(band_bits(band), 32u));
  //: repeat k
  var code$k = band_least(band) + unit_digit(fraction, low);
  fraction = fraction * low;
  //: end
  let high = band_high(band);
  if (high > 1u) {
    fraction = unit_fraction(unit_word(payload, bit + 32u), band_bits(band) - 32u);
    //: repeat k
    code$k += unit_digit(fraction, high) << 4u;
    fraction = fraction * high;
    //: end
  }
  let step = table_float(CHANNEL_STEPS_WORD + flat);
  let first = channel * STRIDE + row * 8u;
  values[first + $ku] = (f32(code$k) - CODE_BIAS) * step;
  workgroupBarrier();

  // 3. Eight channels of a token. Neighbouring threads write neighbouring words.
  let token = select(lane & 63u, lane >> 2u, SIDE == 1u);
  let eight = select(lane >> 6u, lane & 3u, SIDE == 1u);
  let token_step = (arena[record + STEPS_WORD + (token >> 2u)] >> (8u * (token & 3u))) & 0xffu;
  let factor = table_float(FACTORS_WORD + token_step);
  let place = eight * 8u * STRIDE + token;
  var words = vec4<u32>(0u);
  //: repeat p
  let pair$p = vec2(values[place + 2u * $pu * STRIDE], values[place + (2u * $pu + 1u) * STRIDE]);
  words[$p] = pack2x16float(clamp(pair$p * factor, vec2(-F16_MAX), vec2(F16_MAX)));
  //: end
  if (block == 0u && token >= 64u - SINK_COUNT) {
    let sink_row = (SIDE * KV_HEAD_COUNT + kv_head) * SINK_COUNT + token + SINK_COUNT - 64u;
    let sink = record + SINKS_WORD + (sink_row * D + part * 32u + eight * 8u) / 2u;
    words[$p] = arena[sink + $pu];
  }
  let tile = (workgroup.y * 2u + SIDE) * (CHANNEL_COUNT * 8u);
  tiles[tile + tile_place(kv_head, part * 4u + eight, token)] = words;
}
