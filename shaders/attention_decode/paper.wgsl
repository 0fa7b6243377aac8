// attention_decode/paper: one query row against packed blocks, unpacked in registers, in splits
// that attention_merge joins. A value is x = (minimum + bits + zero_t) * scale_t, so
//   score[t] = scale_t * (dot(q, bits_t) + dot(q, minimum) + zero_t * sum(q)) / sqrt(D)
//   o[c] = sum_t w_t * (minimum + bits_tc) + sum_t w_t * zero_t,  w_t = exp(score_t - m) * scale_t
//
// Source:    arXiv:2512.24449, section on fused decompression; record of src/codec/FORMAT.md
// Binds:     src/kernels/attention_decode/paper.ts; appends constants, heads, packs and lanes
// Reference: src/reference/attention_decode/paper.ts
// Grid:      (KV head, split, row); one workgroup of LANE_COUNT lanes for all heads of the group
// Precision: integer codes, f32 accumulate, f32 out
//
// A unit is UNIT_TOKENS tokens of one pack row (two with packs of 4); 8 lanes load the packs of 8
// channels of it.
// Scores: 8 lanes then take 8 tokens, and the 8 packs go round by shuffles, with q.
// Values: each lane keeps its channels' packs, and the weights of 8 tokens go round.
// Markers: q = vectors of heads, a = units at a time, n = groups of 8 tokens of a unit, r = its
// pack rows, c = channels of 8 lanes, h = words of 8 tokens of V, t = tokens of such a word, e =
// chunks of 32 channels, m = channels of a lane in a chunk, k, v, w = bit planes of K, V and any
// widths, p, o = steps of a reduction.
// has_rounds: if a split has more than one.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists

var<workgroup> queries$q: array<Heads, D>;
var<workgroup> weights$q: array<Heads, ROUND_TOKENS>; // scores, then exp(score - m) * scale
var<workgroup> records: array<u32, BLOCKS_PER_ROUND>;
var<workgroup> token_counts: array<u32, BLOCKS_PER_ROUND>;
var<workgroup> sections: array<u32, 2u * BLOCKS_PER_ROUND>; // [block][side]
// First payload bit of each (pack row, 32 channels) of a section: [block][side][row][part]
var<workgroup> starts: array<u32, 2u * BLOCKS_PER_ROUND * PARTS_PER_SECTION>;

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak$q: Heads,
  total$q: Heads,
  query_sum$q: Heads, // sum(q) / sqrt(D)
}

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.z];
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.list_count) {
    return;
  }
  let end = min(first + BLOCKS_PER_SPLIT, row.list_count);
  var softmax = Softmax();
  for (var channel = lane; channel < D; channel += LANE_COUNT) {
    let query$q = load_query_$q(workgroup, channel) * inverseSqrt(f32(D));
    queries$q[channel] = query$q;
    softmax.query_sum$q += query$q;
  }
  softmax.query_sum$q += shuffle_heads(softmax.query_sum$q, lane ^ (1u << $pu));
  softmax.peak$q = Heads(LOWEST);
  //: if has_rounds
  for (var start = first; start < end; start += BLOCKS_PER_ROUND) {
    let block_count = min(BLOCKS_PER_ROUND, end - start);
    workgroupBarrier(); // every lane has read the weights of the round before
    find_sections(row.list_start + start, block_count, workgroup.x);
    workgroupBarrier();
    softmax = attend(workgroup, block_count, softmax, start == first);
  }
  //: else
  find_sections(row.list_start + first, end - first, workgroup.x);
  workgroupBarrier();
  softmax = attend(workgroup, end - first, softmax, true);
  //: end
}

// Attends to the blocks whose sections were found and joins what that gives to the split's partial
// result.
fn attend(workgroup: vec3<u32>, block_count: u32, before: Softmax, is_first: bool) -> Softmax {
  let lane8 = lane & 7u;
  let octet = lane - lane8; // first of this lane's 8 lanes
  var peak$q = before.peak$q;
  for (var block = 0u; block < block_count; block += 1u) {
    let section = sections[2u * block];
    let payload = section + KEY_PAYLOAD_WORD;
    for (var unit = 0u; unit < UNITS_PER_BLOCK; unit += UNITS_AT_A_TIME * LANE_COUNT / 8u) {
      let unit$a = unit + $au * LANE_COUNT / 8u + lane / 8u;
      let row$a_$r = unit$a * UNIT_TOKENS / PACK_SIZE + $ru;
      var score$a_$n_$q = Heads(0.0);
      var floor$a_$r_$q = Heads(0.0); // dot(q, minimum) over this lane's channels
      for (var part = 0u; part < D / 32u; part += 1u) {
        let side$a_$r = load_key_side(section, row$a_$r, part);
        let start$a_$r = starts[2u * block * PARTS_PER_SECTION + row$a_$r * (D / 32u) + part];
        let plane$a_$r_$k = shuffle_word(side$a_$r.planes, octet + $ku);
        for (var eight = 0u; eight < 32u; eight += 8u) {
          let channel = eight + lane8;
          let query$q = queries$q[part * 32u + channel];
          let query$q_$c = shuffle_heads(query$q, octet + $cu);
          //: repeat a
          //: repeat r
          var width$a_$r = 0u;
          var before$a_$r = 0u; // widths of the channels before this one
          width$a_$r += ((plane$a_$r_$k >> channel) & 1u) << $ku;
          before$a_$r += countOneBits(plane$a_$r_$k & ((1u << channel) - 1u)) << $ku;
          let mask$a_$r = (1u << width$a_$r) - 1u;
          let offset$a_$r = pack_offset(start$a_$r, before$a_$r, width$a_$r, unit$a);
          let chunk$a_$r = load_key_chunk(payload, shuffle_word(offset$a_$r, octet));
          let windows$a_$r = key_windows(chunk$a_$r, payload, offset$a_$r, width$a_$r);
          floor$a_$r_$q += query$q * f32(i32(key_minimum(side$a_$r, channel)));
          //: repeat c
          let width$a_$r_$c = shuffle_word(width$a_$r, octet + $cu);
          let mask$a_$r_$c = shuffle_word(mask$a_$r, octet + $cu);
          let bits$a_$r_$c_$n = key_code_$n(windows$a_$r, octet + $cu, width$a_$r_$c);
          let code$a_$r_$c_$n = code_of_row($ru, bits$a_$r_$c_$n & mask$a_$r_$c);
          score$a_$n_$q += query$q_$c * f32(i32(code$a_$r_$c_$n));
          //: end
          //: end
          //: end
        }
      }
      floor$a_$r_$q += shuffle_heads(floor$a_$r_$q, lane ^ (1u << $ou));
      //: repeat a
      //: repeat n
      {
        let token = unit$a * UNIT_TOKENS + $nu * 8u + lane8;
        let params = arena[records[block] + KEY_PARAMS_WORD + token];
        score$a_$n_$q += heads_of_row($ru, floor$a_$r_$q);
        score$a_$n_$q = scale_of(params) * (score$a_$n_$q + zero_of(params) * before.query_sum$q);
        score$a_$n_$q = select(Heads(LOWEST), score$a_$n_$q, token < token_counts[block]);
        peak$q = max(peak$q, score$a_$n_$q);
        weights$q[block * 64u + token] = score$a_$n_$q;
      }
      //: end
      //: end
    }
  }
  peak$q = max(peak$q, shuffle_heads(peak$q, lane ^ (1u << $pu)));
  workgroupBarrier();

  var total$q = Heads(0.0);
  var zero_sum$q = Heads(0.0);
  for (var block = 0u; block < block_count; block += 1u) {
    for (var token = lane; token < 64u; token += LANE_COUNT) {
      let params = arena[records[block] + VALUE_PARAMS_WORD + token];
      let weight$q = exp(weights$q[block * 64u + token] - peak$q);
      total$q += weight$q;
      weights$q[block * 64u + token] = weight$q * scale_of(params);
      zero_sum$q += weight$q * scale_of(params) * zero_of(params);
    }
  }
  total$q += shuffle_heads(total$q, lane ^ (1u << $pu));
  zero_sum$q += shuffle_heads(zero_sum$q, lane ^ (1u << $pu));
  //: if has_rounds
  let kept$q = exp(before.peak$q - peak$q); // what a round before counts now
  total$q += before.total$q * kept$q;
  //: end
  workgroupBarrier();

  if (lane == 0u) {
    store_partial_$q(workgroup, workgroup.y, 0u, peak$q);
    store_partial_$q(workgroup, workgroup.y, 1u, total$q);
  }
  for (var part = 0u; part < D / 32u; part += 1u) {
    var sum$e_$m_$q = zero_sum$q;
    for (var block = 0u; block < block_count; block += 1u) {
      let section = sections[2u * block + 1u];
      let payload = section + VALUE_PAYLOAD_WORD;
      for (var unit = 0u; unit < UNITS_PER_BLOCK; unit += 1u) {
        let row$r = unit * UNIT_TOKENS / PACK_SIZE + $ru;
        let side$r = load_value_side(section, row$r, part);
        let start$r = starts[(2u * block + 1u) * PARTS_PER_SECTION + row$r * (D / 32u) + part];
        let plane$r_$v = shuffle_word(side$r.planes, octet + $vu);
        //: repeat e
        let channel$e_$m = ($eu * VALUE_CHUNK_VECTORS + $mu) * LANE_COUNT + lane;
        //: repeat r
        var width$e_$r_$m = 0u;
        var before$e_$r_$m = 0u;
        //: repeat m
        width$e_$r_$m += ((plane$r_$v >> channel$e_$m) & 1u) << $vu;
        before$e_$r_$m += countOneBits(plane$r_$v & ((1u << channel$e_$m) - 1u)) << $vu;
        let offset$e_$r_$m = pack_offset(start$r, before$e_$r_$m, width$e_$r_$m, unit);
        //: end
        let chunk$e_$r = load_value_chunk(payload, shuffle_word(offset$e_$r_0, octet));
        //: repeat m
        let mask$e_$r_$m = (1u << width$e_$r_$m) - 1u;
        var windows$e_$r_$m = value_windows(chunk$e_$r, payload, offset$e_$r_$m, width$e_$r_$m);
        let minimum$e_$r_$m = value_minimum(side$r, channel$e_$m);
        //: end
        //: end
        //: end
        //: repeat n
        {
          let weight$q = weights$q[block * 64u + unit * UNIT_TOKENS + $nu * 8u + lane8];
          //: repeat r
          //: repeat h
          //: repeat t
          let lane$r_$h_$t = octet + $ru * PACK_SIZE + $hu * VALUE_WORD_TOKENS + $tu;
          let share$r_$h_$t_$q = shuffle_heads(weight$q, lane$r_$h_$t);
          //: repeat e
          //: repeat m
          let bits$r_$h_$t_$e_$m = windows$e_$r_$m.x$n_$h & mask$e_$r_$m;
          windows$e_$r_$m.x$n_$h >>= width$e_$r_$m;
          let code$r_$h_$t_$e_$m = bits$r_$h_$t_$e_$m + minimum$e_$r_$m;
          sum$e_$m_$q += share$r_$h_$t_$q * f32(i32(code$r_$h_$t_$e_$m));
          //: end
          //: end
          //: end
          //: end
          //: end
        }
        //: end
      }
    }
    let place$e_$m = 2u + part * 32u + ($eu * VALUE_CHUNK_VECTORS + $mu) * LANE_COUNT + lane;
    //: if has_rounds
    let earlier$e_$m_$q = load_partial_$q(workgroup, workgroup.y, place$e_$m) * kept$q;
    sum$e_$m_$q += select(earlier$e_$m_$q, Heads(0.0), is_first);
    //: end
    store_partial_$q(workgroup, workgroup.y, place$e_$m, sum$e_$m_$q);
  }
  var after = before;
  after.peak$q = peak$q;
  after.total$q = total$q;
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

fn find_sections(first_entry: u32, block_count: u32, kv_head: u32) {
  for (var job = lane; job < 2u * block_count; job += LANE_COUNT) {
    let entry = directory[first_entry + job / 2u];
    token_counts[job / 2u] = entry_token_count(entry);
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
    let count$w = countOneBits(arena[planes + min($wu, width_bits - 1u) * (D / 32u)]);
    bit += PACK_SIZE * (select(0u, count$w, $wu < width_bits) << $wu);
  }
}
