// attention_decode_banded: one query row against banded blocks, unpacked in registers, in splits
// that attention_merge joins. With x = code - 128 and the tokens' and channels' own steps,
//   score[t] = key_factor_t * sum_c q_c * key_step_c * x_tc / sqrt(D)
//   o[c] = value_step * sum_t exp(score_t - m) * value_factor_t * x_tc
// The sinks of a sequence's first block are raw f16 and take the places behind its packed tokens.
//
// Source:    src/codec/FORMAT.md section 11
// Binds:     src/kernels/attention_decode_banded.ts; appends constants, heads, bands and lanes
// Reference: src/reference/attention_decode_banded.ts
// Grid:      (KV head, split, row); one workgroup of LANE_COUNT lanes for all heads of the group
// Precision: integer codes, f32 accumulate, f32 out
//
// A lane takes whole units: eight tokens of its channel, so that a unit is found and read once for
// eight values, and a section's units follow each other without stored offsets.
// Scores: a lane sums eight tokens over its channels; the lanes' sums are exchanged by halves.
// Values: a lane keeps its channels' sums; the weights of eight tokens are loaded for all of them.
// Markers: q = vectors of heads, e = channels of a lane in a part, t = tokens of a row, h = tokens
// of half a row, p = steps of a scan or reduction, x = those over more than 8 lanes.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite
const CODE_BIAS: i32 = 128;
const FRACTION_MASK: u32 = 0x0fffffffu; // of the 28 bits that a fraction is kept in

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<vec4<u32>>; // slot, position, blocks, -
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<u32>; // [slot][BLOCK_COUNT_MAX]
@group(0) @binding(5) var<storage, read> tables: array<vec4<u32>>; // readerWords of the layer
@group(0) @binding(6) var<storage, read> arena_chunks: array<vec4<u32>>; // arena once more

var<workgroup> queries$q: array<Heads, D>; // q * key_step / sqrt(D)
var<workgroup> weights$q: array<Heads, SPLIT_TOKENS>; // scores, then exp(score - m) * value_factor
var<workgroup> sink_weights$q: array<Heads, SINK_ROOM>; // exp(score - m) of the sinks
var<workgroup> records: array<u32, BLOCKS_PER_SPLIT>;

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.z];
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.z) {
    return;
  }
  let block_count = min(BLOCKS_PER_SPLIT, row.z - first);
  let kv_head = workgroup.x;
  let sink_count = select(0u, SINK_COUNT, first == 0u);
  for (var block = lane; block < block_count; block += LANE_COUNT) {
    records[block] = directory[row.x * BLOCK_COUNT_MAX + first + block];
  }
  for (var channel = lane; channel < D; channel += LANE_COUNT) {
    let scale = inverseSqrt(f32(D)) * table_float(KEY_STEPS_WORD + kv_head * D + channel);
    queries$q[channel] = load_query_$q(workgroup, channel) * scale;
  }
  workgroupBarrier();

  sum_scores(kv_head, block_count);
  if (sink_count > 0u) {
    sum_sink_scores(workgroup);
  }
  workgroupBarrier();

  // A lane writes and later reads the same places of `weights`, until the values are weighted.
  let token_count = block_count * 64u;
  let sinks_start = 64u - sink_count;
  var peak$q = Heads(LOWEST);
  for (var token = lane; token < token_count; token += LANE_COUNT) {
    let is_sink = token >= sinks_start && token < 64u;
    let factor = table_float(KEY_FACTORS_WORD + token_step(token));
    let score$q = weights$q[token] * select(factor, 1.0, is_sink);
    weights$q[token] = score$q;
    peak$q = max(peak$q, score$q);
  }
  peak$q = max(peak$q, shuffle_heads(peak$q, lane ^ (1u << $pu)));

  var total$q = Heads(0.0);
  for (var token = lane; token < token_count; token += LANE_COUNT) {
    let is_sink = token >= sinks_start && token < 64u;
    let factor = table_float(VALUE_FACTORS_WORD + token_step(token));
    let weight$q = exp(weights$q[token] - peak$q);
    total$q += weight$q;
    if (is_sink) {
      sink_weights$q[token - sinks_start] = weight$q;
    }
    weights$q[token] = weight$q * select(factor, 0.0, is_sink);
  }
  total$q += shuffle_heads(total$q, lane ^ (1u << $pu));
  workgroupBarrier();

  if (lane == 0u) {
    store_partial_$q(workgroup, workgroup.y, 0u, peak$q);
    store_partial_$q(workgroup, workgroup.y, 1u, total$q);
  }
  weigh_values(workgroup, block_count, sink_count);
}

// Sums of the scores of all packed tokens, before the tokens' factors, to `weights`.
fn sum_scores(kv_head: u32, block_count: u32) {
  let is_late = (lane & 4u) != 0u;
  let is_second = (lane & 2u) != 0u;
  let is_odd = (lane & 1u) != 0u;
  for (var part = 0u; part < D / 32u; part += 1u) {
    let query$e_$q = queries$q[part * 32u + $eu * LANE_COUNT + lane];
    let bands = (kv_head * D + part * 32u + lane) * 2u;
    let first_bands$e = tables[bands + $eu * LANE_COUNT * 2u];
    let last_bands$e = tables[bands + $eu * LANE_COUNT * 2u + 1u];
    for (var block = 0u; block < block_count; block += 1u) {
      let record = records[block];
      let section = record + arena[record + kv_head * (D / 32u) + part];
      let payload = section + PLANE_WORDS;
      let planes = section + 3u * (lane & 7u); // a row to a lane
      let planes0 = arena[planes];
      let planes1 = arena[planes + 1u];
      let planes2 = arena[planes + 2u];
      var bit = 0u;
      for (var row = 0u; row < 8u; row += 1u) {
        var early$h_$q = Heads(0.0); // tokens 0 to 3 of the row
        var late$h_$q = Heads(0.0); // tokens 4 to 7
        var floor$q = Heads(0.0); // what the least codes add to each token
        let plane0 = shuffle_word(planes0, row);
        let plane1 = shuffle_word(planes1, row);
        let plane2 = shuffle_word(planes2, row);
        let channel$e = $eu * LANE_COUNT + lane;
        let index$e = vec3(plane0 >> channel$e, plane1 >> channel$e, plane2 >> channel$e);
        let band$e = choose_band(first_bands$e, last_bands$e, index$e);
        var bits = vec4<u32>(0u);
        bits[$e] = band_bits(band$e);
        let units = find_units(bit, bits);
        let chunk = load_chunk(payload, bit, units.end);
        bit = units.end;
        //: repeat e
        {
          let low = band_low(band$e);
          let word = chunk_bits(chunk, payload, units.starts[$e]);
          var fraction = (word << ((32u - min(bits[$e], 32u)) & 31u)) >> 4u;
          floor$q += query$e_$q * f32(i32(band_least(band$e)) - CODE_BIAS);
          //: repeat h
          fraction *= low;
          early$h_$q += query$e_$q * f32(i32(fraction >> 28u));
          fraction &= FRACTION_MASK;
          //: end
          //: repeat h
          fraction *= low;
          let digit$h = select(fraction >> 28u, word & 15u, $hu == 3u && low == 16u);
          late$h_$q += query$e_$q * f32(i32(digit$h));
          fraction &= FRACTION_MASK;
          //: end
          let high = band_high(band$e);
          if (high > 1u) {
            fraction = unit_fraction(unit_word(payload, units.starts[$e] + 32u), bits[$e] - 32u);
            //: repeat h
            early$h_$q += query$e_$q * f32(i32(unit_digit(fraction, high) << 4u));
            fraction *= high;
            //: end
            //: repeat h
            late$h_$q += query$e_$q * f32(i32(unit_digit(fraction, high) << 4u));
            fraction *= high;
            //: end
          }
        }
        //: end
        // Each exchange leaves a lane half of the tokens, at last one: lane % 8.
        //: repeat q
        let kept$h_$q = select(early$h_$q, late$h_$q, is_late) + floor$q;
        let sent$h_$q = select(late$h_$q, early$h_$q, is_late) + floor$q;
        let half$h_$q = kept$h_$q + shuffle_heads(sent$h_$q, lane ^ 4u);
        let kept4_$q = select(half0_$q, half2_$q, is_second);
        let kept5_$q = select(half1_$q, half3_$q, is_second);
        let sent4_$q = select(half2_$q, half0_$q, is_second);
        let sent5_$q = select(half3_$q, half1_$q, is_second);
        let pair0_$q = kept4_$q + shuffle_heads(sent4_$q, lane ^ 2u);
        let pair1_$q = kept5_$q + shuffle_heads(sent5_$q, lane ^ 2u);
        let sent6_$q = select(pair1_$q, pair0_$q, is_odd);
        var own_$q = select(pair0_$q, pair1_$q, is_odd) + shuffle_heads(sent6_$q, lane ^ 1u);
        own_$q += shuffle_heads(own_$q, lane ^ (8u << $xu));
        //: end
        if (lane < 8u) {
          let place = block * 64u + row * 8u + lane;
          weights$q[place] = own_$q + select(weights$q[place], Heads(0.0), part == 0u);
        }
      }
    }
  }
}

// Scores of the sinks to the places behind the packed tokens of block 0.
fn sum_sink_scores(workgroup: vec3<u32>) {
  for (var sink = 0u; sink < SINK_COUNT; sink += 1u) {
    var score$q = Heads(0.0);
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let key = sink_value(0u, workgroup.x, sink, channel) * inverseSqrt(f32(D));
      score$q += load_query_$q(workgroup, channel) * key;
    }
    score$q += shuffle_heads(score$q, lane ^ (1u << $pu));
    if (lane == 0u) {
      weights$q[64u - SINK_COUNT + sink] = score$q;
    }
  }
}

// Weighted sums of the values of all tokens to the split's partial result.
fn weigh_values(workgroup: vec3<u32>, block_count: u32, sink_count: u32) {
  let kv_head = workgroup.x;
  let value_step = table_float(VALUE_STEP_WORD);
  for (var part = 0u; part < D / 32u; part += 1u) {
    let bands = (KV_HEAD_COUNT * D + kv_head * D + part * 32u + lane) * 2u;
    let first_bands$e = tables[bands + $eu * LANE_COUNT * 2u];
    let last_bands$e = tables[bands + $eu * LANE_COUNT * 2u + 1u];
    var sum$e_$q = Heads(0.0);
    for (var block = 0u; block < block_count; block += 1u) {
      let record = records[block];
      let section = record + arena[record + (KV_HEAD_COUNT + kv_head) * (D / 32u) + part];
      let payload = section + PLANE_WORDS;
      let planes = section + 3u * (lane & 7u); // a row to a lane
      let planes0 = arena[planes];
      let planes1 = arena[planes + 1u];
      let planes2 = arena[planes + 2u];
      var bit = 0u;
      for (var row = 0u; row < 8u; row += 1u) {
        let weight$t_$q = weights$q[block * 64u + row * 8u + $tu];
        var weight_sum$q = Heads(0.0);
        weight_sum$q += weight$t_$q;
        let plane0 = shuffle_word(planes0, row);
        let plane1 = shuffle_word(planes1, row);
        let plane2 = shuffle_word(planes2, row);
        let channel$e = $eu * LANE_COUNT + lane;
        let index$e = vec3(plane0 >> channel$e, plane1 >> channel$e, plane2 >> channel$e);
        let band$e = choose_band(first_bands$e, last_bands$e, index$e);
        var bits = vec4<u32>(0u);
        bits[$e] = band_bits(band$e);
        let units = find_units(bit, bits);
        let chunk = load_chunk(payload, bit, units.end);
        bit = units.end;
        //: repeat e
        {
          let low = band_low(band$e);
          let word = chunk_bits(chunk, payload, units.starts[$e]);
          var fraction = (word << ((32u - min(bits[$e], 32u)) & 31u)) >> 4u;
          sum$e_$q += weight_sum$q * f32(i32(band_least(band$e)) - CODE_BIAS);
          //: repeat t
          fraction *= low;
          let digit$t = select(fraction >> 28u, word & 15u, $tu == 7u && low == 16u);
          sum$e_$q += weight$t_$q * f32(i32(digit$t));
          fraction &= FRACTION_MASK;
          //: end
          let high = band_high(band$e);
          if (high > 1u) {
            fraction = unit_fraction(unit_word(payload, units.starts[$e] + 32u), bits[$e] - 32u);
            //: repeat t
            sum$e_$q += weight$t_$q * f32(i32(unit_digit(fraction, high) << 4u));
            fraction *= high;
            //: end
          }
        }
        //: end
      }
    }
    //: repeat e
    {
      let channel = part * 32u + $eu * LANE_COUNT + lane;
      sum$e_$q *= value_step;
      for (var sink = 0u; sink < sink_count; sink += 1u) {
        sum$e_$q += sink_weights$q[sink] * sink_value(1u, kv_head, sink, channel);
      }
      store_partial_$q(workgroup, workgroup.y, 2u + channel, sum$e_$q);
    }
    //: end
  }
}

// The band of a channel: its eight, and its index's bits as the lowest of three words.
fn choose_band(first: vec4<u32>, last: vec4<u32>, index: vec3<u32>) -> u32 {
  let four = select(first, last, (index.z & 1u) != 0u);
  let two = select(four.xy, four.zw, (index.y & 1u) != 0u);
  return select(two.x, two.y, (index.x & 1u) != 0u);
}

// 32 words that 8 lanes load together, from word \`origin\` on.
struct Chunk { words: vec4<u32>, origin: u32, is_whole: bool }

// The chunk of a row of units, bits \`bit ..< end\` from word \`base\`; most rows fit one.
fn load_chunk(base: u32, bit: u32, end: u32) -> Chunk {
  let origin = (base + (bit >> 5u)) & 0xfffffffcu;
  let is_whole = base + (end >> 5u) + 1u < origin + 32u;
  return Chunk(arena_chunks[(origin >> 2u) + (lane & 7u)], origin, is_whole);
}

// A word, by its place in the arena, from the lane of 8 that holds it.
fn chunk_word(words: vec4<u32>, index: u32) -> u32 {
  let source = (lane & 0xfffffff8u) + ((index >> 2u) & 7u);
  let x = shuffle_word(words.x, source);
  let y = shuffle_word(words.y, source);
  let z = shuffle_word(words.z, source);
  let w = shuffle_word(words.w, source);
  let is_upper = (index & 2u) != 0u;
  return select(select(x, z, is_upper), select(y, w, is_upper), (index & 1u) != 0u);
}

// 32 bits from bit \`bit\` of the payload that begins at word \`base\`.
fn chunk_bits(chunk: Chunk, base: u32, bit: u32) -> u32 {
  let index = base + (bit >> 5u) - chunk.origin;
  let low = chunk_word(chunk.words, index);
  let high = chunk_word(chunk.words, index + 1u);
  let shift = bit & 31u;
  let bits = (low >> shift) | ((high << 1u) << (31u - shift));
  if (chunk.is_whole) {
    return bits;
  }
  return unit_word(base, bit);
}

// First bits of a lane's units of a row, and the row's end.
struct Units { starts: vec4<u32>, end: u32 }

// Units of \`bits\` bits follow each other by channel: all lanes' first ones, then the second ones.
fn find_units(first: u32, bits: vec4<u32>) -> Units {
  let early = scan_lanes(bits.x | (bits.y << 16u));
  let early_end = shuffle_word(early, LANE_COUNT - 1u);
  let second = first + (early_end & 0xffffu);
  let third = second + (early_end >> 16u);
  var starts = vec4<u32>(first + (early & 0xffffu), second + (early >> 16u), 0u, 0u) - bits;
  if (UNITS_PER_LANE < 3u) {
    return Units(starts, third);
  }
  let late = scan_lanes(bits.z | (bits.w << 16u));
  let late_end = shuffle_word(late, LANE_COUNT - 1u);
  let fourth = third + (late_end & 0xffffu);
  starts.z = third + (late & 0xffffu) - bits.z;
  starts.w = fourth + (late >> 16u) - bits.w;
  return Units(starts, fourth + (late_end >> 16u));
}

// Sums of the two halves of a word over the lanes up to this one.
fn scan_lanes(own: u32) -> u32 {
  var sum = own;
  //: repeat p
  {
    let before = shuffle_word(sum, (lane - (1u << $pu)) & (LANE_COUNT - 1u));
    sum += select(0u, before, lane >= (1u << $pu));
  }
  //: end
  return sum;
}

fn table_float(word: u32) -> f32 {
  return bitcast<f32>(tables[word >> 2u][word & 3u]);
}

// Token step of a token of the split, by its packed place.
fn token_step(token: u32) -> u32 {
  let place = token & 63u;
  let word = arena[records[token >> 6u] + STEPS_WORD + (place >> 2u)];
  return (word >> (8u * (place & 3u))) & 0xffu;
}

// A raw value of a sink, of the split whose first block is block 0.
fn sink_value(side: u32, kv_head: u32, sink: u32, channel: u32) -> f32 {
  let half = ((side * KV_HEAD_COUNT + kv_head) * SINK_COUNT + sink) * D + channel;
  let pair = unpack2x16float(arena[records[0] + SINKS_WORD + (half >> 1u)]);
  return select(pair.x, pair.y, (half & 1u) != 0u);
}

// Place of query head `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}
