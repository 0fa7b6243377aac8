// attention_decode/banded: one query row against banded blocks, unpacked in registers, in splits
// that attention_merge joins. With x = code - 128 and the tokens' and channels' own steps,
//   score[t] = key_factor_t * sum_c q_c * key_step_c * x_tc / sqrt(D)
//   o[c] = value_step_c * sum_t exp(score_t - m) * value_factor_t * x_tc
// The sinks of a sequence's first block are raw f16 and take the places behind its packed tokens.
//
// Source:    src/codec/FORMAT.md section 7
// Binds:     src/kernels/attention_decode/banded.ts; appends constants, heads, bands and lanes
// Reference: src/reference/attention_decode/banded.ts
// Grid:      (KV head, split, row); one workgroup of LANE_COUNT lanes for all heads of the group
// Precision: integer codes, f32 accumulate, f32 out
//
// A lane takes whole units: eight tokens of its channel, so that a unit is found and read once for
// eight values, and a section's units follow each other without stored offsets.
// Scores: a lane sums eight tokens over its channels; the lanes' sums are exchanged by halves.
// Values: a lane keeps its channels' sums; the weights of eight tokens go round.
// A software driver runs what a branch skips, so there are none: what is rare, high digits and rows
// longer than what the lanes load together, is a further turn at the row.
// Markers: q = vectors of heads, a = parts at a time, e = channels of a lane in a part, t = tokens
// of a row, p, o = steps of a scan over all lanes, of a reduction over 8, x = of one over eights,
// has_part_groups, has_rounds: if there is more than one group of parts, one round of a split.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite
const STEP_ZERO: i32 = 64; // the token step whose factors are 1
const FRACTION_MASK: u32 = 0x0fffffffu; // of the 28 bits that a fraction is kept in

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists
@group(0) @binding(5) var<storage, read> tables: array<vec4<u32>>; // readerWords of the layer
@group(0) @binding(6) var<storage, read> arena_chunks: array<vec4<u32>>; // arena once more

var<workgroup> scores$q: array<Heads, ROUND_TOKENS>;
var<workgroup> sink_scores$q: array<Heads, SINK_ROOM>;

// Blocks that are scored together, first and end counted over the sequence.
struct Span {
  first: u32,
  end: u32,
  is_first: bool, // of its split
}

// The same, as the directory has them.
struct Round {
  first_entry: u32, // of the directory
  block_count: u32,
  sink_count: u32,
  is_first: bool, // of its split
}

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak$q: Heads,
  total$q: Heads,
}

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.z];
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.list_count) {
    return;
  }
  let end = min(first + BLOCKS_PER_SPLIT, row.list_count);
  var softmax = Softmax();
  softmax.peak$q = Heads(LOWEST);
  //: if has_rounds
  for (var start = first; start < end; start += BLOCKS_PER_ROUND) {
    let round_end = min(start + BLOCKS_PER_ROUND, end);
    workgroupBarrier(); // every lane has read the scores of the round before
    softmax = attend(workgroup, row, Span(start, round_end, start == first), softmax);
  }
  //: else
  softmax = attend(workgroup, row, Span(first, end, true), softmax);
  //: end
}

// Attends to the blocks of a round and joins what that gives to the split's partial result.
fn attend(workgroup: vec3<u32>, row: Row, span: Span, before: Softmax) -> Softmax {
  let entry = row.list_start + span.first;
  let sink_count = select(0u, SINK_COUNT, is_first_block(directory[entry]));
  let round = Round(entry, span.end - span.first, sink_count, span.is_first);
  var peaks = sum_scores(workgroup, round, before);
  if (sink_count > 0u) {
    sum_sink_scores(workgroup, directory[round.first_entry].record);
  }
  workgroupBarrier();
  peaks.peak$q = max(peaks.peak$q, shuffle_heads(peaks.peak$q, lane ^ (1u << $ou)));
  for (var sink = 0u; sink < sink_count; sink += 1u) {
    peaks.peak$q = max(peaks.peak$q, sink_scores$q[sink]);
  }
  return weigh_values(workgroup, round, before, peaks);
}

// Scores of all packed tokens, and the largest of each lane's own.
fn sum_scores(workgroup: vec3<u32>, round: Round, before: Softmax) -> Softmax {
  let kv_head = workgroup.x;
  var peaks = before;
  for (var part = 0u; part < D / 32u; part += PARTS_AT_A_TIME) {
    let is_last_part = part + PARTS_AT_A_TIME == D / 32u;
    let channel$a_$e = (part + $au) * 32u + $eu * LANE_COUNT + lane;
    let key_step$a_$e = table_float(KEY_STEPS_WORD + kv_head * D + channel$a_$e);
    let scale$a_$e = inverseSqrt(f32(D)) * key_step$a_$e;
    let query$a_$e_$q = load_query_$q(workgroup, channel$a_$e) * scale$a_$e;
    let bands$a = load_bands(kv_head * D + (part + $au) * 32u);
    for (var block = 0u; block < round.block_count; block += 1u) {
      let entry = directory[round.first_entry + block];
      let record = entry.record;
      let steps = load_steps(record);
      let section$a = load_section(record, kv_head * (D / 32u) + part + $au);
      let token_count = entry_token_count(entry) - select(0u, round.sink_count, block == 0u);
      var bit$a = 0u;
      var own$q = Heads(0.0);
      var turn = Turn(0u, 0u, 0u);
      while (turn.row < 8u) {
        let units$a = read_units(section$a, bands$a, bit$a, turn);
        var fraction$a_$e = units$a.fractions[$e];
        var floor$q = Heads(0.0); // what the least codes add to each token
        floor$q += query$a_$e_$q * units$a.floors[$e];
        //: repeat t
        var sum$t_$q = floor$q;
        fraction$a_$e *= units$a.levels[$e];
        let is_last$t_$a_$e = ($tu == 7u) & (units$a.levels[$e] == 16u);
        let digit$t_$a_$e = select(fraction$a_$e >> 28u, units$a.lasts[$e], is_last$t_$a_$e);
        fraction$a_$e &= FRACTION_MASK;
        sum$t_$q += query$a_$e_$q * f32(i32(digit$t_$a_$e));
        //: end
        // Each exchange leaves a lane half of the tokens, at last one: lane % 8.
        let half0_$q = exchange(sum0_$q, sum4_$q, 4u);
        let half1_$q = exchange(sum1_$q, sum5_$q, 4u);
        let half2_$q = exchange(sum2_$q, sum6_$q, 4u);
        let half3_$q = exchange(sum3_$q, sum7_$q, 4u);
        let pair0_$q = exchange(half0_$q, half2_$q, 2u);
        let pair1_$q = exchange(half1_$q, half3_$q, 2u);
        var token_sum$q = exchange(pair0_$q, pair1_$q, 1u);
        token_sum$q += shuffle_heads(token_sum$q, lane ^ (8u << $xu));
        own$q += token_sum$q * turn_scale(turn);

        var bands_seen = 0u;
        bands_seen |= units$a.bands;
        var is_more = false;
        is_more |= units$a.is_more;
        let token = turn.row * 8u + (lane & 7u);
        //: if has_part_groups
        let earlier$q = scores$q[block * 64u + token];
        //: end
        // Begins with a barrier: every lane has read the sums of earlier parts.
        let next = shared_turn(next_turn(turn, is_more, has_high(bands_seen)));
        let is_done = next.row != turn.row;
        let is_own = is_done & (token < token_count);
        let factor = select(1.0, exp2(token_step(steps, turn.row) * KEY_OCTAVES), is_last_part);
        //: repeat q
        var score$q = own$q;
        //: if has_part_groups
        score$q += select(earlier$q, Heads(0.0), part == 0u);
        //: end
        score$q = select(Heads(LOWEST), score$q * factor, is_own);
        peaks.peak$q = max(peaks.peak$q, select(Heads(LOWEST), score$q, is_last_part));
        own$q = select(own$q, Heads(0.0), is_done);
        //: end
        if (is_done & (lane < 8u)) {
          scores$q[block * 64u + token] = score$q;
        }
        bit$a = select(bit$a, units$a.end, is_done);
        turn = next;
      }
    }
  }
  return peaks;
}

// Scores of the sinks, raw in the record of block 0.
fn sum_sink_scores(workgroup: vec3<u32>, record: u32) {
  for (var sink = 0u; sink < SINK_COUNT; sink += 1u) {
    var score$q = Heads(0.0);
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let key = sink_value(record, workgroup.x * SINK_COUNT + sink, channel);
      score$q += load_query_$q(workgroup, channel) * key * inverseSqrt(f32(D));
    }
    score$q += shuffle_heads(score$q, lane ^ (1u << $pu));
    if (lane == 0u) {
      sink_scores$q[sink] = score$q;
    }
  }
}

// Joins the weighted sums of the values of all tokens to the split's partial result.
fn weigh_values(
  workgroup: vec3<u32>,
  round: Round,
  before: Softmax,
  peaks: Softmax,
) -> Softmax {
  let kv_head = workgroup.x;
  var after = peaks;
  //: if has_rounds
  let kept$q = exp(before.peak$q - peaks.peak$q); // what a round before counts now
  //: end
  for (var part = 0u; part < D / 32u; part += PARTS_AT_A_TIME) {
    let bands$a = load_bands((KV_HEAD_COUNT + kv_head) * D + (part + $au) * 32u);
    var total$q = Heads(0.0);
    var sum$a_$e_$q = Heads(0.0);
    for (var block = 0u; block < round.block_count; block += 1u) {
      let record = directory[round.first_entry + block].record;
      let steps = load_steps(record);
      let section$a = load_section(record, (KV_HEAD_COUNT + kv_head) * (D / 32u) + part + $au);
      var bit$a = 0u;
      var turn = Turn(0u, 0u, 0u);
      while (turn.row < 8u) {
        let units$a = read_units(section$a, bands$a, bit$a, turn);
        let factor = exp2(token_step(steps, turn.row) * VALUE_OCTAVES) * turn_scale(turn);
        let is_first = (turn.window | turn.high) == 0u;
        let share$q = exp(scores$q[block * 64u + turn.row * 8u + (lane & 7u)] - peaks.peak$q);
        total$q += select(Heads(0.0), share$q, is_first);
        let scaled$q = share$q * factor;
        let weight$t_$q = shuffle_heads(scaled$q, $tu);
        var weight_sum$q = Heads(0.0);
        weight_sum$q += weight$t_$q;
        sum$a_$e_$q += weight_sum$q * units$a.floors[$e];
        //: repeat a
        var fraction$a_$e = units$a.fractions[$e];
        //: repeat t
        fraction$a_$e *= units$a.levels[$e];
        let is_last$t_$a_$e = ($tu == 7u) & (units$a.levels[$e] == 16u);
        let digit$t_$a_$e = select(fraction$a_$e >> 28u, units$a.lasts[$e], is_last$t_$a_$e);
        fraction$a_$e &= FRACTION_MASK;
        sum$a_$e_$q += weight$t_$q * f32(i32(digit$t_$a_$e));
        //: end
        //: end

        var bands_seen = 0u;
        bands_seen |= units$a.bands;
        var is_more = false;
        is_more |= units$a.is_more;
        let next = shared_turn(next_turn(turn, is_more, has_high(bands_seen)));
        bit$a = select(bit$a, units$a.end, next.row != turn.row);
        turn = next;
      }
    }
    total$q += shuffle_heads(total$q, lane ^ (1u << $ou));
    let channel$a_$e = (part + $au) * 32u + $eu * LANE_COUNT + lane;
    let value_step$a_$e = table_float(VALUE_STEPS_WORD + kv_head * D + channel$a_$e);
    sum$a_$e_$q *= value_step$a_$e;
    for (var sink = 0u; sink < round.sink_count; sink += 1u) {
      let record = directory[round.first_entry].record;
      let sink_row = (KV_HEAD_COUNT + kv_head) * SINK_COUNT + sink;
      let share$q = exp(sink_scores$q[sink] - peaks.peak$q);
      total$q += share$q;
      sum$a_$e_$q += share$q * sink_value(record, sink_row, channel$a_$e);
    }
    //: if has_rounds
    total$q += before.total$q * kept$q;
    let place$a_$e = 2u + channel$a_$e;
    let earlier$a_$e_$q = load_partial_$q(workgroup, workgroup.y, place$a_$e) * kept$q;
    sum$a_$e_$q += select(earlier$a_$e_$q, Heads(0.0), round.is_first);
    //: end
    after.total$q = total$q;
    if (lane == 0u) {
      store_partial_$q(workgroup, workgroup.y, 0u, peaks.peak$q);
      store_partial_$q(workgroup, workgroup.y, 1u, total$q);
    }
    store_partial_$q(workgroup, workgroup.y, 2u + channel$a_$e, sum$a_$e_$q);
  }
  return after;
}

// Leaves a lane the sum of its own and a neighbour's first value, or of their second.
fn exchange(first: Heads, second: Heads, bit: u32) -> Heads {
  let keeps_second = (lane & bit) != 0u;
  let sent = select(second, first, keeps_second);
  return select(first, second, keeps_second) + shuffle_heads(sent, lane ^ bit);
}

fn table_float(word: u32) -> f32 {
  return bitcast<f32>(tables[word >> 2u][word & 3u]);
}

// Token steps of a block: lane % 8 of their first and last eight words.
fn load_steps(record: u32) -> vec2<u32> {
  let first = record + STEPS_WORD + (lane & 7u);
  return vec2(arena[first], arena[first + 8u]);
}

// Step of token lane % 8 of a row, counted from that of factor 1.
fn token_step(steps: vec2<u32>, row: u32) -> f32 {
  let source = (2u * row + ((lane >> 2u) & 1u)) & 7u;
  let word = shuffle_word(select(steps.x, steps.y, row >= 4u), source);
  return f32(i32((word >> (8u * (lane & 3u))) & 0xffu) - STEP_ZERO);
}

// A raw value of a sink: `row` counts sides, heads and sinks.
fn sink_value(record: u32, row: u32, channel: u32) -> f32 {
  let half = row * D + channel;
  let pair = unpack2x16float(arena[record + SINKS_WORD + (half >> 1u)]);
  return select(pair.x, pair.y, (half & 1u) != 0u);
}

// Place of query head `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}
