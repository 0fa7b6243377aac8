//: file shaders/attention_decode/banded.wgsl
// attention_decode/banded: one query row against banded blocks, unpacked in registers, in splits
// that attention_merge joins. With x = code - 128, half a code more or less in a shifted pack, and
// the tokens' and channels' own steps,
//   score[t] = key_factor_t * sum_c q_c * key_step_c * x_tc / sqrt(D)
//   o[c] = value_step_c * sum_t exp(score_t - m) * value_factor_t * x_tc
// The sinks of a sequence's first block are raw f16 and take the places behind its packed tokens.
//
// Source:    src/codec/FORMAT.md section 7
// Binds:     src/kernels/attention_decode/banded.ts; appends constants, heads, bands and lanes
// Reference: src/reference/attention_decode/banded.ts
// Grid:      (KV head, split, row); one workgroup for all heads of the group: LANE_COUNT lanes, or
//            several teams of as many, which take a block each and then join what they have
// Precision: integer codes, f32 accumulate, f32 out
//
// A lane takes whole units: eight tokens of its channel, so that a unit is found and read once for
// eight values, and a section's units follow each other without stored offsets.
// Scores: a lane sums eight tokens over its channels; the lanes' sums are exchanged by halves.
// Values: a lane keeps its channels' sums; the weights of eight tokens go round.
// A software driver runs what a branch skips, so there are none: what is rare, high digits and rows
// longer than what the lanes load together, is a further turn at the row.
// Markers: heads = vectors of heads, part = of those at a time, unit = channels of a lane in a
// part, token = of a row, step = of a scan over all lanes.
// has_part_groups, has_rounds: if there is more than one group of parts, one round of a split.
// has_teams: if there are teams; a round has a block for each.
// is_scores_only: if splits are single blocks, and leave the softmax of their scores, not values.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite
const FRACTION_MASK: u32 = 0x0fffffffu; // of the 28 bits that a fraction is kept in

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists
@group(0) @binding(5) var<storage, read> tables: array<vec4<u32>>; // readerWords of the layer
@group(0) @binding(6) var<storage, read> arena_chunks: array<vec4<u32>>; // arena once more
@group(0) @binding(7) var<storage, read> points: array<u32>; // digits of balls by place

var<workgroup> scores${heads}: array<Heads, ROUND_TOKENS>;
var<workgroup> sink_scores${heads}: array<Heads, SINK_ROOM>;

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
  hidden_count: u32, // first tokens of its blocks that the row does not see
  is_first: bool, // of its split
}

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak${heads}: Heads,
  total${heads}: Heads,
}

fn run(workgroup: vec3<u32>) {
  let row = row_of_head(rows[workgroup.z], workgroup.x);
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.list_count) {
    return;
  }
  let end = min(first + BLOCKS_PER_SPLIT, row.list_count);
  var softmax = Softmax();
  softmax.peak${heads} = Heads(LOWEST);
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
  let hidden = hidden_count(row, span.first);
  let round = Round(entry, span.end - span.first, sink_count, hidden, span.is_first);
  var peaks = sum_scores(workgroup, round, before);
  if (sink_count > 0u) {
    sum_sink_scores(workgroup, round, directory[round.first_entry].record);
  }
  workgroupBarrier();
  peaks.peak${heads} = max_octet(peaks.peak${heads});
  //: if has_teams
  peaks.peak${heads} = max_teams(peaks.peak${heads});
  //: end
  for (var sink = 0u; sink < sink_count; sink += 1u) {
    peaks.peak${heads} = max(peaks.peak${heads}, sink_scores${heads}[sink]);
  }
  //: if is_scores_only
  return sum_weights(workgroup, round, peaks);
  //: else
  return weigh_values(workgroup, round, before, peaks);
  //: end
}

// Scores of all packed tokens, and the largest of each lane's own.
fn sum_scores(workgroup: vec3<u32>, round: Round, before: Softmax) -> Softmax {
  let kv_head = workgroup.x;
  var peaks = before;
  for (var part = 0u; part < D / 32u; part += PARTS_AT_A_TIME) {
    let is_last_part = part + PARTS_AT_A_TIME == D / 32u;
    let channel${part}_${unit} = (part + ${part}u) * 32u + ${unit}u * LANE_COUNT + lane;
    let key_step${part}_${unit} =
      table_float(KEY_STEPS_WORD + kv_head * D + channel${part}_${unit});
    let scale${part}_${unit} = inverseSqrt(f32(D)) * key_step${part}_${unit};
    let query${part}_${unit}_${heads} =
      load_query_${heads}(workgroup, channel${part}_${unit}) * scale${part}_${unit};
    let bands${part} = load_bands(kv_head * D + (part + ${part}u) * 32u);
    //: if has_teams
    {
      let block = team;
      let entry = directory[round.first_entry + min(block, round.block_count - 1u)];
      //: else
    for (var block = 0u; block < round.block_count; block += 1u) {
      let entry = directory[round.first_entry + block];
      //: end
      let record = entry.record;
      let steps = load_steps(record);
      let section${part} = load_section(record, kv_head * (D / 32u) + part + ${part}u);
      var token_count = entry_token_count(entry) - select(0u, round.sink_count, block == 0u);
      //: if has_teams
      token_count = select(0u, token_count, block < round.block_count); // of a team without block
      //: end
      // Tokens before the packed ones: those of blocks before, and the sinks.
      let skipped = block * BLOCK_TOKENS + select(0u, round.sink_count, block == 0u);
      let first_token = max(round.hidden_count, skipped) - skipped;
      var bit${part} = 0u;
      var own${heads} = Heads(0.0);
      var turn = Turn(0u, 0u, 0u);
      while (turn.row < 8u) {
        let units${part} = read_units(section${part}, bands${part}, bit${part}, turn);
        var fraction${part}_${unit} = units${part}.fractions[${unit}];
        var parity${part}_${unit} = 0u;
        var floor${heads} = Heads(0.0); // what the least codes add to each token
        floor${heads} += query${part}_${unit}_${heads} * units${part}.floors[${unit}];
        //: repeat token
        var sum${token}_${heads} = floor${heads};
        fraction${part}_${unit} *= units${part}.levels[${unit}];
        let is_last${token}_${part}_${unit} =
          (${token}u == 7u) & (units${part}.levels[${unit}] == 16u);
        let digit${token}_${part}_${unit} =
          select(fraction${part}_${unit} >> 28u, units${part}.lasts[${unit}],
            is_last${token}_${part}_${unit});
        fraction${part}_${unit} &= FRACTION_MASK;
        sum${token}_${heads} +=
          query${part}_${unit}_${heads} * f32(i32(digit${token}_${part}_${unit}));
        parity${part}_${unit} ^= digit${token}_${part}_${unit};
        //: end
        let half_code = shift_of(turn, (block == 0u) & (round.sink_count > 0u));
        var shift${heads} = Heads(0.0); // what shifted packs add to seven tokens, and take from one
        shift${heads} += query${part}_${unit}_${heads} * odd_part(parity${part}_${unit}, half_code);
        sum${token}_${heads} += select(shift${heads}, -shift${heads}, ${token}u == 7u);
        // Each exchange leaves a lane half of the tokens, at last one: lane % 8.
        let half0_${heads} = exchange(sum0_${heads}, sum4_${heads}, 4u);
        let half1_${heads} = exchange(sum1_${heads}, sum5_${heads}, 4u);
        let half2_${heads} = exchange(sum2_${heads}, sum6_${heads}, 4u);
        let half3_${heads} = exchange(sum3_${heads}, sum7_${heads}, 4u);
        let pair0_${heads} = exchange(half0_${heads}, half2_${heads}, 2u);
        let pair1_${heads} = exchange(half1_${heads}, half3_${heads}, 2u);
        var token_sum${heads} = exchange(pair0_${heads}, pair1_${heads}, 1u);
        token_sum${heads} = sum_over_octets(token_sum${heads});
        own${heads} += token_sum${heads} * turn_scale(turn);

        var bands_seen = 0u;
        bands_seen |= units${part}.bands;
        var is_more = false;
        is_more |= units${part}.is_more;
        let token = turn.row * 8u + (lane & 7u);
        //: if has_part_groups
        let earlier${heads} = scores${heads}[block * BLOCK_TOKENS + token];
        //: end
        // Begins with a barrier: every lane has read the sums of earlier parts.
        let next = shared_next(turn, is_more, has_high(bands_seen));
        let is_done = next.row != turn.row;
        let is_own = is_done & (token < token_count) & (token >= first_token);
        let factor = select(1.0, exp2(token_step(steps, turn.row) * KEY_OCTAVES), is_last_part);
        //: repeat heads
        var score${heads} = own${heads};
        //: if has_part_groups
        score${heads} += select(earlier${heads}, Heads(0.0), part == 0u);
        //: end
        score${heads} *= factor;
        score${heads} = select(score${heads}, capped(score${heads}), is_last_part);
        score${heads} = select(Heads(LOWEST), score${heads}, is_own);
        peaks.peak${heads} =
          max(peaks.peak${heads}, select(Heads(LOWEST), score${heads}, is_last_part));
        own${heads} = select(own${heads}, Heads(0.0), is_done);
        //: end
        if (is_done & (lane < 8u)) {
          scores${heads}[block * BLOCK_TOKENS + token] = score${heads};
        }
        bit${part} = select(bit${part}, units${part}.end, is_done);
        turn = next;
      }
    }
  }
  return peaks;
}

// Scores of the sinks, raw in the record of block 0.
fn sum_sink_scores(workgroup: vec3<u32>, round: Round, record: u32) {
  for (var sink = 0u; sink < SINK_COUNT; sink += 1u) {
    var score${heads} = Heads(0.0);
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let key = sink_value(record, workgroup.x * SINK_COUNT + sink, channel);
      score${heads} += load_query_${heads}(workgroup, channel) * key * inverseSqrt(f32(D));
    }
    score${heads} = capped(sum_lanes(score${heads}));
    score${heads} = select(score${heads}, Heads(LOWEST), sink < round.hidden_count);
    if (is_first_lane()) {
      sink_scores${heads}[sink] = score${heads};
    }
  }
}

//: if is_scores_only
//: else
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
  let kept${heads} =
    exp(before.peak${heads} - peaks.peak${heads}); // what a round before counts now
  //: end
  for (var part = 0u; part < D / 32u; part += PARTS_AT_A_TIME) {
    let bands${part} = load_bands((KV_HEAD_COUNT + kv_head) * D + (part + ${part}u) * 32u);
    var total${heads} = Heads(0.0);
    var sum${part}_${unit}_${heads} = Heads(0.0);
    //: if has_teams
    {
      let block = team;
      let record = directory[round.first_entry + min(block, round.block_count - 1u)].record;
      //: else
    for (var block = 0u; block < round.block_count; block += 1u) {
      let record = directory[round.first_entry + block].record;
      //: end
      let steps = load_steps(record);
      let section${part} =
        load_section(record, (KV_HEAD_COUNT + kv_head) * (D / 32u) + part + ${part}u);
      var bit${part} = 0u;
      var turn = Turn(0u, 0u, 0u);
      while (turn.row < 8u) {
        let units${part} = read_units(section${part}, bands${part}, bit${part}, turn);
        let factor = exp2(token_step(steps, turn.row) * VALUE_OCTAVES) * turn_scale(turn);
        let is_first = (turn.window | turn.high) == 0u;
        let share${heads} = exp(
          scores${heads}[block * BLOCK_TOKENS + turn.row * 8u + (lane & 7u)] - peaks.peak${heads}
        );
        total${heads} += select(Heads(0.0), share${heads}, is_first);
        let scaled${heads} = share${heads} * factor;
        let weight${token}_${heads} = shuffle_heads(scaled${heads}, ${token}u);
        var weight_sum${heads} = Heads(0.0);
        weight_sum${heads} += weight${token}_${heads};
        sum${part}_${unit}_${heads} += weight_sum${heads} * units${part}.floors[${unit}];
        let half_code = shift_of(turn, (block == 0u) & (round.sink_count > 0u));
        let shift_weight${heads} = weight_sum${heads} - 2.0 * weight7_${heads};
        //: repeat part
        var parity${part}_${unit} = 0u;
        var fraction${part}_${unit} = units${part}.fractions[${unit}];
        //: repeat token
        fraction${part}_${unit} *= units${part}.levels[${unit}];
        let is_last${token}_${part}_${unit} =
          (${token}u == 7u) & (units${part}.levels[${unit}] == 16u);
        let digit${token}_${part}_${unit} =
          select(fraction${part}_${unit} >> 28u, units${part}.lasts[${unit}],
            is_last${token}_${part}_${unit});
        fraction${part}_${unit} &= FRACTION_MASK;
        sum${part}_${unit}_${heads} +=
          weight${token}_${heads} * f32(i32(digit${token}_${part}_${unit}));
        parity${part}_${unit} ^= digit${token}_${part}_${unit};
        //: end
        sum${part}_${unit}_${heads} +=
          shift_weight${heads} * odd_part(parity${part}_${unit}, half_code);
        //: end

        var bands_seen = 0u;
        bands_seen |= units${part}.bands;
        var is_more = false;
        is_more |= units${part}.is_more;
        let next = shared_next(turn, is_more, has_high(bands_seen));
        bit${part} = select(bit${part}, units${part}.end, next.row != turn.row);
        turn = next;
      }
    }
    total${heads} = sum_octet(total${heads});
    //: if has_teams
    total${heads} = sum_teams(total${heads});
    sum${part}_${unit}_${heads} = sum_teams(sum${part}_${unit}_${heads});
    //: end
    let channel${part}_${unit} = (part + ${part}u) * 32u + ${unit}u * LANE_COUNT + lane;
    let value_step${part}_${unit} =
      table_float(VALUE_STEPS_WORD + kv_head * D + channel${part}_${unit});
    sum${part}_${unit}_${heads} *= value_step${part}_${unit};
    for (var sink = 0u; sink < round.sink_count; sink += 1u) {
      let record = directory[round.first_entry].record;
      let sink_row = (KV_HEAD_COUNT + kv_head) * SINK_COUNT + sink;
      let share${heads} = exp(sink_scores${heads}[sink] - peaks.peak${heads});
      total${heads} += share${heads};
      sum${part}_${unit}_${heads} +=
        share${heads} * sink_value(record, sink_row, channel${part}_${unit});
    }
    //: if has_rounds
    total${heads} += before.total${heads} * kept${heads};
    let place${part}_${unit} = 2u + channel${part}_${unit};
    let earlier${part}_${unit}_${heads} =
      load_partial_${heads}(workgroup, workgroup.y, place${part}_${unit}) * kept${heads};
    sum${part}_${unit}_${heads} +=
      select(earlier${part}_${unit}_${heads}, Heads(0.0), round.is_first);
    //: end
    after.total${heads} = total${heads};
    if (is_first_lane()) {
      store_partial_${heads}(workgroup, workgroup.y, 0u, peaks.peak${heads});
      store_partial_${heads}(workgroup, workgroup.y, 1u, total${heads});
    }
    //: if has_teams
    if (team == 0u) {
      store_partial_${heads}(
        workgroup, workgroup.y, 2u + channel${part}_${unit}, sum${part}_${unit}_${heads});
    }
    //: else
    store_partial_${heads}(
      workgroup, workgroup.y, 2u + channel${part}_${unit}, sum${part}_${unit}_${heads});
    //: end
  }
  return after;
}
//: end

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
  return f32(i32((word >> (8u * (lane & 3u))) & 0xffu) - TOKEN_STEP_ZERO);
}

// A raw value of a sink: `row` counts sides, heads and sinks.
fn sink_value(record: u32, row: u32, channel: u32) -> f32 {
  let half = row * D + channel;
  let pair = unpack2x16float(arena[record + SINKS_WORD + (half >> 1u)]);
  return select(pair.x, pair.y, (half & 1u) != 0u);
}

fn is_first_lane() -> bool {
  //: if has_teams
  return lane == 0u && team == 0u;
  //: else
  return lane == 0u;
  //: end
}

// Place of query head `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}
