//: file shaders/lib/banded_row.wgsl
// The units of a row of a banded section, a lane's channels at a time. FORMAT.md sections 7.4 and
// 7.5. All lanes must take part.
//
// Needs: arena, arena_chunks, tables, points (bindings), LANE_COUNT, UNITS_PER_LANE, WINDOW_WORDS,
//        PLANE_WORDS, CUT_ROW, shuffle_word(), shared_next(), band_bits(), band_least()
// Markers: unit = channels of a lane in a part, step = of a scan over all lanes.
// has_dropped: if channels may be dropped; then lib/banded_section.wgsl is appended too.

const CODE_BIAS: i32 = 128;
const HIGH_MASK: u32 = 0x3c000u; // of a band's word: more than one level of high digits

// What is read of a row at once: numbers that begin in a window, and low or high digits.
struct Turn {
  row: u32,
  window: u32,
  high: u32, // 1 for the high digits
}

fn turn_scale(turn: Turn) -> f32 {
  return select(1.0, 16.0, turn.high == 1u);
}

// What a shifted pack adds to its first seven codes and takes from the eighth: half a code, in
// turns of low digits, which say whether it is odd; never in the row that the places of sinks cut.
fn shift_of(turn: Turn, has_sinks: bool) -> f32 {
  let can_shift = (turn.high == 0u) & !(has_sinks & (turn.row == CUT_ROW));
  return select(0.0, 0.5, can_shift);
}

// The shift if the lowest bit of `sum` is set, else 0.
fn odd_part(sum: u32, shift: f32) -> f32 {
  return select(0.0, shift, (sum & 1u) == 1u);
}

// All windows of low digits, all of high ones if there are any, the next row.
fn next_turn(turn: Turn, is_more: bool, has_high: bool) -> Turn {
  let is_high_next = !is_more & has_high & (turn.high == 0u);
  let row = select(turn.row + 1u, turn.row, is_more | is_high_next);
  let high = select(u32(is_high_next), turn.high, is_more);
  return Turn(row, select(0u, turn.window + 1u, is_more), high);
}

// Whether a band of any lane has high digits, of all bits of each lane's bands.
fn has_high(own: u32) -> bool {
  var bits = own & HIGH_MASK;
  bits |= shuffle_word(bits, lane ^ (1u << ${step}u));
  return bits != 0u;
}

//: if has_dropped
// The band of a dropped channel: a digit of one level that stands for 0.
const NO_BAND: u32 = 0x2180u;

// One section: its payload, and the band indexes of the row `lane % 8`.
struct Section {
  payload: u32,
  planes: vec3<u32>,
  channels: u32, // those that are not dropped
}

fn load_section(record: u32, index: u32) -> Section {
  let entry = arena[record + index];
  let drops = (entry & DROPS_FLAG) != 0u;
  let section = record + (entry & ~DROPS_FLAG);
  let channels = select(0xffffffffu, arena[section], drops);
  let count = countOneBits(channels);
  let bit = select(0u, 32u, drops) + 3u * (lane & 7u) * count;
  return Section(
    section + head_words(count),
    vec3(
      index_bits(section, bit),
      index_bits(section, bit + count),
      index_bits(section, bit + 2u * count),
    ),
    channels,
  );
}

// 32 bits from bit `bit` of a section.
fn index_bits(section: u32, bit: u32) -> u32 {
  let word = section + (bit >> 5u);
  let shift = bit & 31u;
  return (arena[word] >> shift) | ((arena[word + 1u] << 1u) << (31u - shift));
}
//: else
// One section: its payload, and the band indexes of the row `lane % 8`.
struct Section {
  payload: u32,
  planes: vec3<u32>,
}

fn load_section(record: u32, index: u32) -> Section {
  let section = record + arena[record + index];
  let planes = section + 3u * (lane & 7u);
  return Section(
    section + PLANE_WORDS,
    vec3(arena[planes], arena[planes + 1u], arena[planes + 2u]),
  );
}
//: end

// The eight bands of each of a lane's channels.
struct Bands {
  first${unit}: vec4<u32>,
  last${unit}: vec4<u32>,
}

// `channel` is the first of the part, counted over all heads and sides.
fn load_bands(channel: u32) -> Bands {
  var bands = Bands();
  bands.first${unit} = tables[(channel + ${unit}u * LANE_COUNT + lane) * 2u];
  bands.last${unit} = tables[(channel + ${unit}u * LANE_COUNT + lane) * 2u + 1u];
  return bands;
}

// The band of a channel: its eight, and its index's bits as the lowest of three words.
fn choose_band(first: vec4<u32>, last: vec4<u32>, index: vec3<u32>) -> u32 {
  let four = select(first, last, (index.z & 1u) != 0u);
  let two = select(four.xy, four.zw, (index.y & 1u) != 0u);
  return select(two.x, two.y, (index.x & 1u) != 0u);
}

// A lane's numbers of a turn, a component per channel.
struct Units {
  fractions: vec4<u32>,
  lasts: vec4<u32>, // the last digits of numbers of 32 bits
  levels: vec4<u32>, // 0 where the number begins in another window
  floors: vec4<f32>, // least codes; 0 except in a row's first turn
  bands: u32, // all bits of the bands
  end: u32, // first bit behind the row
  is_more: bool, // whether the row goes on behind the window
}

// Reads a turn of a row that begins at bit `first` of the section's payload.
fn read_units(section: Section, bands: Bands, first: u32, turn: Turn) -> Units {
  let plane0 = shuffle_word(section.planes.x, turn.row);
  let plane1 = shuffle_word(section.planes.y, turn.row);
  let plane2 = shuffle_word(section.planes.z, turn.row);
  let channel${unit} = ${unit}u * LANE_COUNT + lane;
  //: if has_dropped
  let place${unit} = countOneBits(section.channels & ((1u << channel${unit}) - 1u));
  //: else
  let place${unit} = channel${unit};
  //: end
  let index${unit} = vec3(plane0 >> place${unit}, plane1 >> place${unit}, plane2 >> place${unit});
  let chosen${unit} = choose_band(bands.first${unit}, bands.last${unit}, index${unit});
  //: if has_dropped
  let is_there${unit} = ((section.channels >> channel${unit}) & 1u) == 1u;
  let band${unit} = select(NO_BAND, chosen${unit}, is_there${unit});
  //: else
  let band${unit} = chosen${unit};
  //: end
  var widths = vec4<u32>(0u);
  widths[${unit}] = band_bits(band${unit});
  let places = find_units(first, widths);

  let start = (section.payload + (first >> 5u)) & 0xfffffffcu;
  let origin = start + turn.window * WINDOW_WORDS;
  let chunk = arena_chunks[(origin >> 2u) + lane];
  let beyond = shuffle_word(chunk.x, (lane + 1u) & (LANE_COUNT - 1u));
  var units = Units();
  units.end = places.end;
  let last = section.payload + (places.end >> 5u) - start;
  units.is_more = last >= (turn.window + 1u) * WINDOW_WORDS;
  units.bands |= band${unit};
  let is_first = (turn.window | turn.high) == 0u;
  let levels_bit = select(8u, 13u, turn.high == 1u);
  //: repeat unit
  {
    let bit = places.starts[${unit}] + 32u * turn.high;
    let index = section.payload + (bit >> 5u) - origin;
    let word = chunk_bits(chunk, beyond, index, bit & 31u);
    let width = min(widths[${unit}] - 32u * turn.high, 32u);
    // A ball's digits lie at its place, which is no more than 12 bits.
    let of_ball = is_ball(band${unit});
    let place = select(0u, word & ((1u << (widths[${unit}] & 15u)) - 1u), of_ball);
    let fraction = (word << ((32u - width) & 31u)) >> 4u;
    units.fractions[${unit}] = select(fraction, points[place] << 4u, of_ball);
    units.lasts[${unit}] = word & 15u;
    units.levels[${unit}] = select(0u, (band${unit} >> levels_bit) & 31u, index < WINDOW_WORDS);
    units.floors[${unit}] = select(0.0, f32(i32(band_least(band${unit})) - CODE_BIAS), is_first);
  }
  //: end
  return units;
}

// 32 bits from bit `shift` of word `index` of the words that the lanes have loaded; `beyond` is the
// first one of the next lane.
fn chunk_bits(chunk: vec4<u32>, beyond: u32, index: u32, shift: u32) -> u32 {
  let source = (index >> 2u) & (LANE_COUNT - 1u);
  let x = shuffle_word(chunk.x, source);
  let y = shuffle_word(chunk.y, source);
  let z = shuffle_word(chunk.z, source);
  let w = shuffle_word(chunk.w, source);
  let v = shuffle_word(beyond, source);
  let is_upper = (index & 2u) != 0u;
  let is_odd = (index & 1u) != 0u;
  let odd = select(y, w, is_upper);
  let low = select(select(x, z, is_upper), odd, is_odd);
  let high = select(odd, select(z, v, is_upper), is_odd);
  return (low >> shift) | ((high << 1u) << (31u - shift));
}

// First bits of a lane's units of a row, and the row's end.
struct Places {
  starts: vec4<u32>,
  end: u32,
}

// Units of these widths follow each other by channel: all lanes' first ones, then the second ones.
fn find_units(first: u32, widths: vec4<u32>) -> Places {
  let early = scan_lanes(widths.x | (widths.y << 16u));
  let early_end = shuffle_word(early, LANE_COUNT - 1u);
  let second = first + (early_end & 0xffffu);
  let third = second + (early_end >> 16u);
  var starts = vec4<u32>(first + (early & 0xffffu), second + (early >> 16u), 0u, 0u) - widths;
  if (UNITS_PER_LANE < 3u) {
    return Places(starts, third);
  }
  let late = scan_lanes(widths.z | (widths.w << 16u));
  let late_end = shuffle_word(late, LANE_COUNT - 1u);
  let fourth = third + (late_end & 0xffffu);
  starts.z = third + (late & 0xffffu) - widths.z;
  starts.w = fourth + (late >> 16u) - widths.w;
  return Places(starts, fourth + (late_end >> 16u));
}

// Sums of the two halves of a word over the lanes up to this one.
fn scan_lanes(own: u32) -> u32 {
  var sum = own;
  //: repeat step
  {
    let before = shuffle_word(sum, (lane - (1u << ${step}u)) & (LANE_COUNT - 1u));
    sum += select(0u, before, lane >= (1u << ${step}u));
  }
  //: end
  return sum;
}
