// attention_decode_packed: one query row against packed blocks, unpacked in registers, in splits
// that attention_merge joins. A value is x = (minimum + bits + zero_t) * scale_t, so
//   score[t] = scale_t * (dot(q, bits_t) + dot(q, minimum) + zero_t * sum(q)) / sqrt(D)
//   o[c] = sum_t w_t * (minimum + bits_tc) + sum_t w_t * zero_t,  w_t = exp(score_t - m) * scale_t
//
// Source:    arXiv:2512.24449, section on fused decompression; record of src/codec/FORMAT.md
// Binds:     src/kernels/attention_decode_packed.ts, which appends constants, Heads, windows, lanes
// Reference: src/reference/attention_decode_packed.ts
// Grid:      (KV head, split, row); one workgroup of LANE_COUNT lanes for all heads of the group
// Precision: integer codes, f32 accumulate, f32 out
//
// A unit is UNIT_TOKENS tokens of one pack row; 8 lanes load the packs of 8 channels of it.
// Scores: 8 lanes then take 8 tokens, and the 8 packs go round by shuffles, with q.
// Values: each lane keeps its channels' packs, and the weights of 8 tokens go round.
// Markers: q = vectors of heads, n = groups of 8 tokens of a unit, c = channels of 8 lanes,
// h = words of 8 tokens of V, t = tokens of such a word, k, v = bit planes of K and V widths,
// d = channels of a lane among 32, p, o = steps of a reduction.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<vec4<u32>>; // slot, position, blocks, -
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<u32>; // [slot][BLOCK_COUNT_MAX]

var<workgroup> queries$q: array<Heads, D>;
var<workgroup> weights$q: array<Heads, SPLIT_TOKENS>; // scores, then exp(score - m) * scale
var<workgroup> records: array<u32, BLOCKS_PER_SPLIT>;
var<workgroup> key_sections: array<u32, BLOCKS_PER_SPLIT>;
var<workgroup> value_sections: array<u32, BLOCKS_PER_SPLIT>;
// First payload bit of each (pack row, 32 channels) of a section.
var<workgroup> key_starts: array<u32, SECTION_PART_COUNT>;
var<workgroup> value_starts: array<u32, SECTION_PART_COUNT>;

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.z];
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  if (first >= row.z) {
    return;
  }
  let block_count = min(BLOCKS_PER_SPLIT, row.z - first);
  let lane8 = lane & 7u;
  let octet = lane & 24u; // first of this lane's 8 lanes
  for (var block = lane; block < block_count; block += LANE_COUNT) {
    find_sections(directory[row.x * BLOCK_COUNT_MAX + first + block], workgroup.x, block);
  }
  var query_sum$q = Heads(0.0);
  for (var channel = lane; channel < D; channel += LANE_COUNT) {
    let query$q = load_query_$q(workgroup, channel) * inverseSqrt(f32(D));
    queries$q[channel] = query$q;
    query_sum$q += query$q;
  }
  query_sum$q += shuffle_heads(query_sum$q, lane ^ (1u << $pu));
  workgroupBarrier();

  var peak$q = Heads(LOWEST);
  for (var block = 0u; block < block_count; block += 1u) {
    let section = key_sections[block];
    for (var unit = lane / 8u; unit < UNITS_PER_BLOCK; unit += LANE_COUNT / 8u) {
      let pack_row = unit * UNIT_TOKENS / PACK_SIZE;
      var score$n_$q = Heads(0.0);
      var floor$q = Heads(0.0); // dot(q, minimum) over this lane's channels
      for (var part = 0u; part < D / 32u; part += 1u) {
        let plane_place = (pack_row * KEY_WIDTH_BITS + min(lane8, KEY_WIDTH_BITS - 1u)) * (D / 32u);
        let planes = arena[section + plane_place + part];
        let minimum_place = (pack_row * (D / 32u) + part) * KEY_BITS + min(lane8, KEY_BITS - 1u);
        let minima = arena[section + KEY_MINIMA_WORD + minimum_place];
        let start = key_starts[(block * PACK_ROWS + pack_row) * (D / 32u) + part];
        let plane$k = shuffle_word(planes, octet + $ku);
        for (var channel = lane8; channel < 32u; channel += 8u) {
          var width = 0u;
          var before = 0u; // widths of the channels before this one
          width += ((plane$k >> channel) & 1u) << $ku;
          before += countOneBits(plane$k & ((1u << channel) - 1u)) << $ku;
          let mask = (1u << width) - 1u;
          let offset = start + before * PACK_SIZE + width * (unit * UNIT_TOKENS % PACK_SIZE);
          let windows = load_key_windows(section + KEY_PAYLOAD_WORD, offset, width);
          let field = channel * KEY_BITS;
          let field_low = shuffle_word(minima, octet + (field >> 5u));
          let field_high = shuffle_word(minima, octet + (((field >> 5u) + 1u) & 7u));
          let minimum = funnel(field_low, field_high, field & 31u) & ((1u << KEY_BITS) - 1u);
          let query$q = queries$q[part * 32u + channel];
          floor$q += query$q * f32(i32(minimum));
          //: repeat c
          let width_$c = shuffle_word(width, octet + $cu);
          let mask_$c = shuffle_word(mask, octet + $cu);
          let query_$c_$q = shuffle_heads(query$q, octet + $cu);
          let code_$c_$n = key_code_$n(windows, octet + $cu, width_$c, lane8) & mask_$c;
          score$n_$q += query_$c_$q * f32(i32(code_$c_$n));
          //: end
        }
      }
      floor$q += shuffle_heads(floor$q, lane ^ (1u << $ou));
      //: repeat n
      {
        let token = unit * UNIT_TOKENS + $nu * 8u + lane8;
        let params = arena[records[block] + KEY_PARAMS_WORD + token];
        let scale = unpack2x16float(params).x;
        let zero = f32(i32(params) >> 16u);
        score$n_$q = scale * (score$n_$q + floor$q + zero * query_sum$q);
        weights$q[block * 64u + token] = score$n_$q;
        peak$q = max(peak$q, score$n_$q);
      }
      //: end
    }
  }
  peak$q = max(peak$q, shuffle_heads(peak$q, lane ^ (1u << $pu)));
  workgroupBarrier();

  var total$q = Heads(0.0);
  var zero_sum$q = Heads(0.0);
  for (var token = lane; token < block_count * 64u; token += LANE_COUNT) {
    let params = arena[records[token / 64u] + VALUE_PARAMS_WORD + token % 64u];
    let weight$q = exp(weights$q[token] - peak$q);
    total$q += weight$q;
    let scaled$q = weight$q * unpack2x16float(params).x;
    zero_sum$q += scaled$q * f32(i32(params) >> 16u);
    weights$q[token] = scaled$q;
  }
  total$q += shuffle_heads(total$q, lane ^ (1u << $pu));
  zero_sum$q += shuffle_heads(zero_sum$q, lane ^ (1u << $pu));
  workgroupBarrier();

  if (lane == 0u) {
    store_partial_$q(workgroup, workgroup.y, 0u, peak$q);
    store_partial_$q(workgroup, workgroup.y, 1u, total$q);
  }
  for (var part = 0u; part < D / 32u; part += 1u) {
    var sum$d_$q = zero_sum$q;
    for (var block = 0u; block < block_count; block += 1u) {
      let section = value_sections[block];
      for (var unit = 0u; unit < UNITS_PER_BLOCK; unit += 1u) {
        let pack_row = unit * UNIT_TOKENS / PACK_SIZE;
        let plane_place = (pack_row * VALUE_WIDTH_BITS + min(lane8, VALUE_WIDTH_BITS - 1u)) * (D / 32u);
        let planes = arena[section + plane_place + part];
        let minimum_place = (pack_row * (D / 32u) + part) * VALUE_BITS + min(lane8, VALUE_BITS - 1u);
        let minima = arena[section + VALUE_MINIMA_WORD + minimum_place];
        let start = value_starts[(block * PACK_ROWS + pack_row) * (D / 32u) + part];
        let plane$v = shuffle_word(planes, $vu);
        //: repeat d
        let channel$d = $du * LANE_COUNT + lane;
        var width$d = 0u;
        var before$d = 0u;
        width$d += ((plane$v >> channel$d) & 1u) << $vu;
        before$d += countOneBits(plane$v & ((1u << channel$d) - 1u)) << $vu;
        let mask$d = (1u << width$d) - 1u;
        let offset$d = start + before$d * PACK_SIZE + width$d * (unit * UNIT_TOKENS % PACK_SIZE);
        var windows$d = load_value_windows(section + VALUE_PAYLOAD_WORD, offset$d, width$d);
        let field$d = channel$d * VALUE_BITS;
        let field_low$d = shuffle_word(minima, field$d >> 5u);
        let field_high$d = shuffle_word(minima, ((field$d >> 5u) + 1u) & 7u);
        let field_bits$d = funnel(field_low$d, field_high$d, field$d & 31u);
        let minimum$d = field_bits$d & ((1u << VALUE_BITS) - 1u);
        //: end
        //: repeat n
        {
          let weight$q = weights$q[block * 64u + unit * UNIT_TOKENS + $nu * 8u + lane8];
          //: repeat h
          //: repeat t
          let share$h_$t_$q = shuffle_heads(weight$q, $hu * VALUE_WORD_TOKENS + $tu);
          let code$h_$t_$d = (windows$d.x$n_$h & mask$d) + minimum$d;
          windows$d.x$n_$h >>= width$d;
          sum$d_$q += share$h_$t_$q * f32(i32(code$h_$t_$d));
          //: end
          //: end
        }
        //: end
      }
    }
    let place$d = 2u + part * 32u + $du * LANE_COUNT + lane;
    store_partial_$q(workgroup, workgroup.y, place$d, sum$d_$q);
  }
}

// Place of query head `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}

// Notes where a block's record and this head's sections are, and where the payload of each part
// of them begins.
fn find_sections(record: u32, kv_head: u32, block: u32) {
  let key_section = record + arena[record + kv_head];
  let value_section = record + arena[record + KV_HEAD_COUNT + kv_head];
  records[block] = record;
  key_sections[block] = key_section;
  value_sections[block] = value_section;
  var key_bit = 0u;
  var value_bit = 0u;
  for (var part = 0u; part < PACK_ROWS * (D / 32u); part += 1u) {
    let pack_row = part / (D / 32u);
    let word = part % (D / 32u);
    key_starts[block * PACK_ROWS * (D / 32u) + part] = key_bit;
    value_starts[block * PACK_ROWS * (D / 32u) + part] = value_bit;
    let key_planes = key_section + pack_row * KEY_WIDTH_BITS * (D / 32u) + word;
    let value_planes = value_section + pack_row * VALUE_WIDTH_BITS * (D / 32u) + word;
    key_bit += PACK_SIZE * (countOneBits(arena[key_planes + $ku * (D / 32u)]) << $ku);
    value_bit += PACK_SIZE * (countOneBits(arena[value_planes + $vu * (D / 32u)]) << $vu);
  }
}

// Bits `shift` to `shift + 31` of the pair; shift is 0 to 31.
fn funnel(low: u32, high: u32, shift: u32) -> u32 {
  return (low >> shift) | ((high << 1u) << (31u - shift));
}
