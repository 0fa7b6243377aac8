//: file shaders/block_unpack/banded.wgsl
// block_unpack/banded: one side (K or V) of banded blocks to raw f16 tiles, for prefill:
//   x[t, c] = (code - 128) * step_c * factor[e_t], rounded to f16 and clipped to its range, the
//   code with half a one more or less where its pack is shifted
//
// Source:    src/codec/FORMAT.md sections 7.4 and 7.5
// Binds:     src/kernels/block_unpack/banded.ts, which appends constants and lanes
// Reference: src/reference/block_unpack/banded.ts
// Grid:      (section of the side, block of the segment); one workgroup of LANE_COUNT lanes
// Precision: integer codes, two f32 products, f16 out
// Shared:    lib/banded_row.wgsl, lib/banded_turn_*.wgsl, lib/band_word.wgsl
//
// A lane takes whole units, eight tokens of its channel, a byte for each code; eight lanes then
// exchange halves, quarters and bytes, so that each has eight channels of a token, which it writes.
// A turn that does not complete its row writes what the next one overwrites. In the first block the
// absent places hold the sinks.
// Markers: unit = channels of a lane, token = of a unit, step = of a scan over all lanes.

const F16_MAX: f32 = 65504.0;
const FRACTION_MASK: u32 = 0x0fffffffu; // of the 28 bits that a fraction is kept in
const EVEN_BYTES: u32 = 0x00ff00ffu;
const ODD_BYTES: u32 = 0xff00ff00u;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
// [2]: first block; row whose list it is of
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read> tables: array<vec4<u32>>; // readerWords of the layer
@group(0) @binding(5) var<storage, read> arena_chunks: array<vec4<u32>>; // arena once more
@group(0) @binding(6) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment
@group(0) @binding(7) var<storage, read> points: array<u32>; // digits of balls by place

fn run(workgroup: vec3<u32>) {
  let block = segment[0] + workgroup.y;
  if (block >= rows[segment[1]].list_count) {
    return;
  }
  let first_eight = workgroup.x * 4u; // over all heads of the side
  let entry = directory[rows[segment[1]].list_start + block];
  let record = entry.record;
  let token_count = entry_token_count(entry);
  let section = load_section(record, SECTION_TABLE_WORD + workgroup.x);
  let bands = load_bands(SIDE * CHANNEL_COUNT + workgroup.x * 32u);
  let sink_count = select(0u, SINK_COUNT, is_first_block(entry));
  let tile = (workgroup.y * 2u + SIDE) * (CHANNEL_COUNT * (BLOCK_TOKENS / 8u));
  // What a lane writes: token lane % 8 of a row, eight channels at a time.
  let eight${unit} = first_eight + ${unit}u * (LANE_COUNT / 8u) + (lane >> 3u);
  let steps${unit} = load_channel_steps(eight${unit});
  var codes${unit} = vec2<u32>(0u); // of tokens 0 to 3 and 4 to 7 of a row, a byte each
  var odd${unit} = 0u; // the lowest bit: whether the digits of a row sum to an odd number
  var bit = 0u;
  var turn = Turn(0u, 0u, 0u);
  while (turn.row < 8u) {
    let units = read_units(section, bands, bit, turn);
    let is_first = (turn.window | turn.high) == 0u;
    let token = turn.row * 8u + (lane & 7u);
    let factor = token_factor(record, token);
    //: repeat unit
    {
      let least = u32(i32(units.floors[${unit}]) + CODE_BIAS) * 0x01010101u;
      let digits =
        unit_digits(units.fractions[${unit}], units.levels[${unit}], units.lasts[${unit}]);
      codes${unit} = select(codes${unit}, vec2(least), is_first) + (digits << vec2(4u * turn.high));
      odd${unit} = select(odd${unit}, 0u, is_first);
      odd${unit} ^= select(digit_parity(digits), 0u, turn.high == 1u);
      let shift = shift_of(Turn(turn.row, 0u, 0u), sink_count > 0u);
      let token_shift = select(shift, -shift, (lane & 7u) == 7u);
      let shifts = channel_shifts(odd${unit}, token_shift);
      let words = token_words(token_codes(codes${unit}), shifts, steps${unit}, factor);
      if (token < token_count - sink_count) {
        tiles[tile + tile_place(eight${unit}, token)] = words;
      }
    }
    //: end
    let next = shared_next(turn, units.is_more, has_high(units.bands));
    bit = select(bit, units.end, next.row != turn.row);
    turn = next;
  }
  for (var item = lane; item < sink_count * 4u; item += LANE_COUNT) {
    let eight = first_eight + (item & 3u);
    let sink_row = (SIDE * KV_HEAD_COUNT + eight / (D / 8u)) * SINK_COUNT + (item >> 2u);
    let sink = record + SINKS_WORD + (sink_row * D + eight % (D / 8u) * 8u) / 2u;
    let words = vec4(arena[sink], arena[sink + 1u], arena[sink + 2u], arena[sink + 3u]);
    tiles[tile + tile_place(eight, token_count - SINK_COUNT + (item >> 2u))] = words;
  }
}

// Place of 8 channels of one token in a side of a tile: K by 8 channels, V by tokens.
fn tile_place(eight: u32, token: u32) -> u32 {
  let value_place = (eight / (D / 8u) * BLOCK_TOKENS + token) * (D / 8u) + eight % (D / 8u);
  return select(eight * BLOCK_TOKENS + token, value_place, SIDE == 1u);
}

// Low or high digits of a unit, a byte each.
fn unit_digits(first_fraction: u32, levels: u32, last: u32) -> vec2<u32> {
  var fraction = first_fraction;
  var digits = vec2<u32>(0u);
  //: repeat token
  fraction *= levels;
  let digit${token} = select(fraction >> 28u, last, (${token}u == 7u) & (levels == 16u));
  fraction &= FRACTION_MASK;
  digits[${token}u / 4u] |= digit${token} << (8u * (${token}u % 4u));
  //: end
  return digits;
}

// Whether the digits of a unit sum to an odd number, 0 or 1.
fn digit_parity(digits: vec2<u32>) -> u32 {
  let four = digits.x ^ digits.y;
  let two = four ^ (four >> 16u);
  return (two ^ (two >> 8u)) & 1u;
}

// What shifted packs add to a token's codes: eight lanes' channels, in the order of token_codes().
struct ChannelShifts {
  even: vec4<f32>,
  odd: vec4<f32>,
}

fn channel_shifts(own_odd: u32, shift: f32) -> ChannelShifts {
  var bits = (own_odd & 1u) << (lane & 7u);
  bits |= shuffle_word(bits, lane ^ 1u);
  bits |= shuffle_word(bits, lane ^ 2u);
  bits |= shuffle_word(bits, lane ^ 4u);
  let even = (vec4(bits) >> vec4(0u, 4u, 2u, 6u)) & vec4(1u);
  let odd = (vec4(bits) >> vec4(1u, 5u, 3u, 7u)) & vec4(1u);
  return ChannelShifts(
    select(vec4(0.0), vec4(shift), even == vec4(1u)),
    select(vec4(0.0), vec4(shift), odd == vec4(1u)),
  );
}

// Of eight lanes' codes of a channel those of token lane % 8: channels 0, 4, 2, 6 and 1, 5, 3, 7.
fn token_codes(own: vec2<u32>) -> vec2<u32> {
  let is_late = (lane & 4u) != 0u;
  let half = shuffle_word(select(own.y, own.x, is_late), lane ^ 4u);
  let near = select(own.x, half, is_late); // four tokens of channel lane % 4
  let far = select(half, own.y, is_late); // and of the fourth after it
  let is_third = (lane & 2u) != 0u;
  let low = (near & 0xffffu) | (far << 16u);
  let high = (near >> 16u) | (far & 0xffff0000u);
  let pairs = shuffle_word(select(high, low, is_third), lane ^ 2u);
  let kept = select(low, high, is_third);
  let early = select(kept, pairs, is_third); // two tokens each of channels lane % 2 and 4 behind it
  let late = select(pairs, kept, is_third); // and of those 2 behind these
  let first = (early & 0xffffu) | (late << 16u);
  let second = (early >> 16u) | (late & 0xffff0000u);
  let is_odd = (lane & 1u) != 0u;
  let even_token = (first & EVEN_BYTES) | ((second & EVEN_BYTES) << 8u);
  let odd_token = ((first & ODD_BYTES) >> 8u) | (second & ODD_BYTES);
  let bytes = shuffle_word(select(odd_token, even_token, is_odd), lane ^ 1u);
  return select(vec2(even_token, bytes), vec2(bytes, odd_token), is_odd);
}

// Steps of eight channels, in the order of token_codes().
struct ChannelSteps {
  even: vec4<f32>,
  odd: vec4<f32>,
}

fn load_channel_steps(eight: u32) -> ChannelSteps {
  let place = CHANNEL_STEPS_WORD / 4u + eight * 2u;
  let first = bitcast<vec4<f32>>(tables[place]);
  let last = bitcast<vec4<f32>>(tables[place + 1u]);
  return ChannelSteps(
    vec4(first.x, last.x, first.z, last.z),
    vec4(first.y, last.y, first.w, last.w),
  );
}

fn token_factor(record: u32, token: u32) -> f32 {
  let steps = arena[record + STEPS_WORD + (token >> 2u)];
  let word = FACTORS_WORD + ((steps >> (8u * (token & 3u))) & 0xffu);
  return bitcast<f32>(tables[word >> 2u][word & 3u]);
}

// Eight channels of a token as f16.
fn token_words(
  codes: vec2<u32>,
  shifts: ChannelShifts,
  steps: ChannelSteps,
  factor: f32,
) -> vec4<u32> {
  let limit = vec4(F16_MAX);
  let even = clamp((code_values(codes.x) + shifts.even) * steps.even * factor, -limit, limit);
  let odd = clamp((code_values(codes.y) + shifts.odd) * steps.odd * factor, -limit, limit);
  return vec4(
    pack2x16float(vec2(even.x, odd.x)),
    pack2x16float(vec2(even.z, odd.z)),
    pack2x16float(vec2(even.y, odd.y)),
    pack2x16float(vec2(even.w, odd.w)),
  );
}

fn code_values(codes: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(unpack4xU8(codes)) - CODE_BIAS);
}
