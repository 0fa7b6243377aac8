//: file shaders/attention_decode/paper.wgsl
// attention_decode/paper: one query row against packed blocks, unpacked in registers, in splits
// that attention_merge joins. A value is x = (minimum + bits + zero_t) * scale_t, so
//   score[t] = scale_t * (dot(q, bits_t) + dot(q, minimum) + zero_t * sum(q)) / sqrt(D)
//   o[c] = sum_t w_t * (minimum + bits_tc) + sum_t w_t * zero_t,  w_t = exp(score_t - m) * scale_t
//
// Source:    arXiv:2512.24449, section on fused decompression; record of src/codec/FORMAT.md
// Binds:     src/kernels/attention_decode/paper.ts; appends constants, heads, packs and lanes
// Reference: src/reference/attention_decode/paper.ts
// Grid:      (KV head, split, row); one workgroup for all heads of the group: LANE_COUNT lanes, or
//            several teams of as many, which take a block each and then join what they have
// Precision: integer codes, f32 accumulate, f32 out
//
// A unit is UNIT_TOKENS tokens of one pack row (two with packs of 4); 8 lanes load the packs of 8
// channels of it.
// Scores: 8 lanes then take 8 tokens, and the 8 packs go round by shuffles, with q.
// Values: each lane keeps its channels' packs, and the weights of 8 tokens go round.
// Markers: heads = vectors of heads, unit = of those at a time, eight = groups of 8 tokens of a
// unit, row = its pack rows, channel = of 8 lanes, word = of 8 tokens of V, token = of such a word,
// chunk = of 32 channels, member = channels of a lane in a chunk, key_bit, value_bit, bit = bit
// planes of widths of K, V and any.
// has_rounds: if a split has more than one. has_teams: if a round has a block for each team.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists

var<workgroup> queries${heads}: array<Heads, D>;
var<workgroup> weights${heads}: array<Heads, ROUND_TOKENS>; // scores, then exp(score - m) * scale
var<workgroup> records: array<u32, BLOCKS_PER_ROUND>;
var<workgroup> token_counts: array<u32, BLOCKS_PER_ROUND>;
var<workgroup> first_tokens: array<u32, BLOCKS_PER_ROUND>; // that are seen
var<workgroup> sections: array<u32, 2u * BLOCKS_PER_ROUND>; // [block][side]
// First payload bit of each (pack row, 32 channels) of a section: [block][side][row][part]
var<workgroup> starts: array<u32, 2u * BLOCKS_PER_ROUND * PARTS_PER_SECTION>;

// Blocks of a round, counted over the row's list.
struct Span {
  first: u32,
  count: u32,
}

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak${heads}: Heads,
  total${heads}: Heads,
  query_sum${heads}: Heads, // sum(q) / sqrt(D)
}

fn run(workgroup: vec3<u32>) {
  let row = row_of_head(rows[workgroup.z], workgroup.x);
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.list_count) {
    return;
  }
  let end = min(first + BLOCKS_PER_SPLIT, row.list_count);
  var softmax = Softmax();
  let first_channel = team * LANE_COUNT + lane;
  for (var channel = first_channel; channel < D; channel += TEAM_COUNT * LANE_COUNT) {
    let query${heads} = load_query_${heads}(workgroup, channel) * inverseSqrt(f32(D));
    queries${heads}[channel] = query${heads};
    softmax.query_sum${heads} += query${heads};
  }
  softmax.query_sum${heads} = sum_teams(sum_lanes(softmax.query_sum${heads}));
  softmax.peak${heads} = Heads(LOWEST);
  //: if has_rounds
  for (var start = first; start < end; start += BLOCKS_PER_ROUND) {
    let block_count = min(BLOCKS_PER_ROUND, end - start);
    workgroupBarrier(); // every lane has read the weights of the round before
    find_sections(row, Span(start, block_count), workgroup.x);
    workgroupBarrier();
    softmax = attend(workgroup, block_count, softmax, start == first);
  }
  //: else
  find_sections(row, Span(first, end - first), workgroup.x);
  workgroupBarrier();
  softmax = attend(workgroup, end - first, softmax, true);
  //: end
}

// Scores of all tokens, and the largest of each lane's own.
fn score_tokens(block_count: u32, before: Softmax) -> Softmax {
  let lane8 = lane & 7u;
  let octet = lane - lane8; // first of this lane's 8 lanes
  var peak${heads} = before.peak${heads};
  //: if has_teams
  {
    let block = team;
    //: else
  for (var block = 0u; block < block_count; block += 1u) {
    //: end
    let section = sections[2u * block];
    let payload = section + KEY_PAYLOAD_WORD;
    for (var unit = 0u; unit < UNITS_PER_BLOCK; unit += UNITS_AT_A_TIME * LANE_COUNT / 8u) {
      let unit${unit} = unit + ${unit}u * LANE_COUNT / 8u + lane / 8u;
      let row${unit}_${row} = unit${unit} * UNIT_TOKENS / PACK_SIZE + ${row}u;
      var score${unit}_${eight}_${heads} = Heads(0.0);
      var floor${unit}_${row}_${heads} = Heads(0.0); // dot(q, minimum) over this lane's channels
      for (var part = 0u; part < D / 32u; part += 1u) {
        let side${unit}_${row} = load_key_side(section, row${unit}_${row}, part);
        let start${unit}_${row} =
          starts[2u * block * PARTS_PER_SECTION + row${unit}_${row} * (D / 32u) + part];
        let plane${unit}_${row}_${key_bit} =
          shuffle_word(side${unit}_${row}.planes, octet + ${key_bit}u);
        for (var eight = 0u; eight < 32u; eight += 8u) {
          let channel = eight + lane8;
          let query${heads} = queries${heads}[part * 32u + channel];
          let query${heads}_${channel} = shuffle_heads(query${heads}, octet + ${channel}u);
          //: repeat unit
          //: repeat row
          var width${unit}_${row} = 0u;
          var before${unit}_${row} = 0u; // widths of the channels before this one
          width${unit}_${row} += ((plane${unit}_${row}_${key_bit} >> channel) & 1u) << ${key_bit}u;
          before${unit}_${row} +=
            countOneBits(plane${unit}_${row}_${key_bit} & ((1u << channel) - 1u)) << ${key_bit}u;
          let mask${unit}_${row} = (1u << width${unit}_${row}) - 1u;
          let offset${unit}_${row} =
            pack_offset(start${unit}_${row}, before${unit}_${row}, width${unit}_${row},
              unit${unit});
          let chunk${unit}_${row} =
            load_key_chunk(payload, shuffle_word(offset${unit}_${row}, octet));
          let windows${unit}_${row} =
            key_windows(chunk${unit}_${row}, payload, offset${unit}_${row}, width${unit}_${row});
          floor${unit}_${row}_${heads} +=
            query${heads} * f32(i32(key_minimum(side${unit}_${row}, channel)));
          //: repeat channel
          let width${unit}_${row}_${channel} =
            shuffle_word(width${unit}_${row}, octet + ${channel}u);
          let mask${unit}_${row}_${channel} = shuffle_word(mask${unit}_${row}, octet + ${channel}u);
          let bits${unit}_${row}_${channel}_${eight} =
            key_code_${eight}(windows${unit}_${row}, octet + ${channel}u,
              width${unit}_${row}_${channel});
          let code${unit}_${row}_${channel}_${eight} =
            code_of_row(${row}u,
              bits${unit}_${row}_${channel}_${eight} & mask${unit}_${row}_${channel});
          score${unit}_${eight}_${heads} +=
            query${heads}_${channel} * f32(i32(code${unit}_${row}_${channel}_${eight}));
          //: end
          //: end
          //: end
        }
      }
      floor${unit}_${row}_${heads} = sum_octet(floor${unit}_${row}_${heads});
      //: repeat unit
      //: repeat eight
      {
        let token = unit${unit} * UNIT_TOKENS + ${eight}u * 8u + lane8;
        let params = arena[records[block] + KEY_PARAMS_WORD + token];
        score${unit}_${eight}_${heads} += heads_of_row(${row}u, floor${unit}_${row}_${heads});
        score${unit}_${eight}_${heads} =
          scale_of(params) *
            (score${unit}_${eight}_${heads} + zero_of(params) * before.query_sum${heads});
        score${unit}_${eight}_${heads} = capped(score${unit}_${eight}_${heads});
        score${unit}_${eight}_${heads} =
          select(Heads(LOWEST), score${unit}_${eight}_${heads},
            (token < token_counts[block]) & (token >= first_tokens[block]));
        peak${heads} = max(peak${heads}, score${unit}_${eight}_${heads});
        weights${heads}[block * BLOCK_TOKENS + token] = score${unit}_${eight}_${heads};
      }
      //: end
      //: end
    }
  }
  var peaks = before;
  peaks.peak${heads} = peak${heads};
  return peaks;
}

// Attends to the blocks whose sections were found and joins what that gives to the split's partial
// result.
fn attend(workgroup: vec3<u32>, block_count: u32, before: Softmax, is_first: bool) -> Softmax {
  let lane8 = lane & 7u;
  let octet = lane - lane8; // first of this lane's 8 lanes
  let peaks = score_tokens(block_count, before);
  let peak${heads} = max_teams(max_lanes(peaks.peak${heads}));
  workgroupBarrier();

  var total${heads} = Heads(0.0);
  var zero_sum${heads} = Heads(0.0);
  //: if has_teams
  {
    let block = team;
    //: else
  for (var block = 0u; block < block_count; block += 1u) {
    //: end
    for (var token = lane; token < BLOCK_TOKENS; token += LANE_COUNT) {
      let params = arena[records[block] + VALUE_PARAMS_WORD + token];
      let weight${heads} = exp(weights${heads}[block * BLOCK_TOKENS + token] - peak${heads});
      total${heads} += weight${heads};
      weights${heads}[block * BLOCK_TOKENS + token] = weight${heads} * scale_of(params);
      zero_sum${heads} += weight${heads} * scale_of(params) * zero_of(params);
    }
  }
  total${heads} = sum_teams(sum_lanes(total${heads}));
  zero_sum${heads} = sum_lanes(zero_sum${heads});
  //: if has_rounds
  let kept${heads} = exp(before.peak${heads} - peak${heads}); // what a round before counts now
  total${heads} += before.total${heads} * kept${heads};
  //: end
  workgroupBarrier();

  if ((lane == 0u) & (team == 0u)) {
    store_partial_${heads}(workgroup, workgroup.y, 0u, peak${heads});
    store_partial_${heads}(workgroup, workgroup.y, 1u, total${heads});
  }
  for (var part = 0u; part < D / 32u; part += 1u) {
    var sum${chunk}_${member}_${heads} = zero_sum${heads};
    //: if has_teams
    {
      let block = team;
      //: else
    for (var block = 0u; block < block_count; block += 1u) {
      //: end
      let section = sections[2u * block + 1u];
      let payload = section + VALUE_PAYLOAD_WORD;
      for (var unit = 0u; unit < UNITS_PER_BLOCK; unit += 1u) {
        let row${row} = unit * UNIT_TOKENS / PACK_SIZE + ${row}u;
        let side${row} = load_value_side(section, row${row}, part);
        let start${row} =
          starts[(2u * block + 1u) * PARTS_PER_SECTION + row${row} * (D / 32u) + part];
        let plane${row}_${value_bit} = shuffle_word(side${row}.planes, octet + ${value_bit}u);
        //: repeat chunk
        let channel${chunk}_${member} =
          (${chunk}u * VALUE_CHUNK_VECTORS + ${member}u) * LANE_COUNT + lane;
        //: repeat row
        var width${chunk}_${row}_${member} = 0u;
        var before${chunk}_${row}_${member} = 0u;
        //: repeat member
        width${chunk}_${row}_${member} +=
          ((plane${row}_${value_bit} >> channel${chunk}_${member}) & 1u) << ${value_bit}u;
        before${chunk}_${row}_${member} +=
          countOneBits(plane${row}_${value_bit} & ((1u << channel${chunk}_${member}) - 1u)) <<
          ${value_bit}u;
        let offset${chunk}_${row}_${member} =
          pack_offset(start${row}, before${chunk}_${row}_${member}, width${chunk}_${row}_${member},
            unit);
        //: end
        let chunk${chunk}_${row} =
          load_value_chunk(payload, shuffle_word(offset${chunk}_${row}_0, octet));
        //: repeat member
        let mask${chunk}_${row}_${member} = (1u << width${chunk}_${row}_${member}) - 1u;
        var windows${chunk}_${row}_${member} =
          value_windows(chunk${chunk}_${row}, payload, offset${chunk}_${row}_${member},
            width${chunk}_${row}_${member});
        let minimum${chunk}_${row}_${member} = value_minimum(side${row}, channel${chunk}_${member});
        //: end
        //: end
        //: end
        //: repeat eight
        {
          let weight${heads} =
            weights${heads}[block * BLOCK_TOKENS + unit * UNIT_TOKENS + ${eight}u * 8u + lane8];
          //: repeat row
          //: repeat word
          //: repeat token
          let lane${row}_${word}_${token} =
            octet + ${row}u * PACK_SIZE + ${word}u * VALUE_WORD_TOKENS + ${token}u;
          let share${row}_${word}_${token}_${heads} =
            shuffle_heads(weight${heads}, lane${row}_${word}_${token});
          //: repeat chunk
          //: repeat member
          let bits${row}_${word}_${token}_${chunk}_${member} =
            windows${chunk}_${row}_${member}.x${eight}_${word} & mask${chunk}_${row}_${member};
          windows${chunk}_${row}_${member}.x${eight}_${word} >>= width${chunk}_${row}_${member};
          let code${row}_${word}_${token}_${chunk}_${member} =
            bits${row}_${word}_${token}_${chunk}_${member} + minimum${chunk}_${row}_${member};
          sum${chunk}_${member}_${heads} +=
            share${row}_${word}_${token}_${heads} *
              f32(i32(code${row}_${word}_${token}_${chunk}_${member}));
          //: end
          //: end
          //: end
          //: end
          //: end
        }
        //: end
      }
    }
    sum${chunk}_${member}_${heads} = sum_teams(sum${chunk}_${member}_${heads});
    let place${chunk}_${member} =
      2u + part * 32u + (${chunk}u * VALUE_CHUNK_VECTORS + ${member}u) * LANE_COUNT + lane;
    if (team == 0u) {
      //: if has_rounds
      let earlier${chunk}_${member}_${heads} =
        load_partial_${heads}(workgroup, workgroup.y, place${chunk}_${member}) * kept${heads};
      sum${chunk}_${member}_${heads} +=
        select(earlier${chunk}_${member}_${heads}, Heads(0.0), is_first);
      //: end
      store_partial_${heads}(
        workgroup, workgroup.y, place${chunk}_${member}, sum${chunk}_${member}_${heads});
    }
  }
  var after = before;
  after.peak${heads} = peak${heads};
  after.total${heads} = total${heads};
  return after;
}

// Place of query head `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}

fn scale_of(params: u32) -> f32 {
  return unpack2x16float(params).x;
}

fn zero_of(params: u32) -> f32 {
  return f32(i32(params) >> 16u);
}

// First bit of a pack's part of a unit, `before` being the widths of the packs before it.
fn pack_offset(start: u32, before: u32, width: u32, unit: u32) -> u32 {
  return start + before * PACK_SIZE + width * (unit * UNIT_TOKENS % PACK_SIZE);
}

// A team without a block goes through the last one, which has no tokens for it.
fn find_sections(row: Row, span: Span, kv_head: u32) {
  let job_count = 2u * max(span.count, TEAM_COUNT);
  for (var job = team * LANE_COUNT + lane; job < job_count; job += TEAM_COUNT * LANE_COUNT) {
    let slot = job / 2u;
    let block = span.first + min(slot, span.count - 1u);
    let entry = directory[row.list_start + block];
    token_counts[slot] = select(0u, entry_token_count(entry), slot < span.count);
    first_tokens[slot] = hidden_count(row, block);
    find_section(entry.record, job, kv_head);
  }
}

// Notes where the section of block job / 2 and side job % 2 is, and where the payload of each part
// of it begins.
fn find_section(record: u32, job: u32, kv_head: u32) {
  let side = job & 1u;
  let section = record + arena[record + side * KV_HEAD_COUNT + kv_head];
  let width_bits = select(KEY_WIDTH_BITS, VALUE_WIDTH_BITS, side == 1u);
  if (side == 0u) {
    records[job / 2u] = record;
  }
  sections[job] = section;
  var bit = 0u;
  for (var part = 0u; part < PARTS_PER_SECTION; part += 1u) {
    starts[job * PARTS_PER_SECTION + part] = bit;
    let planes = section + part / (D / 32u) * width_bits * (D / 32u) + part % (D / 32u);
    let count${bit} = countOneBits(arena[planes + min(${bit}u, width_bits - 1u) * (D / 32u)]);
    bit += PACK_SIZE * (select(0u, count${bit}, ${bit}u < width_bits) << ${bit}u);
  }
}
