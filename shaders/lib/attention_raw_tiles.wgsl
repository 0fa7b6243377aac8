// Attention of a few queries over the raw f16 tiles of one split: scores, softmax, weighted values.
// For the split's tokens t that query g may see:
//   score[t] = dot(q[g], k[t]) / sqrt(D);  m = max score;  l = sum exp(score - m)
//   o[c] = sum exp(score[t] - m) * v[t, c]
//
// Used by: attention_decode_raw.wgsl, attention_prefill.wgsl
// Needs:   D, KV_HEAD_COUNT, LANE_COUNT, SPAN, BLOCKS_PER_ROUND, ROUND_TOKENS, TOKENS_AT_A_TIME;
//          tiles; a source; lanes; split_row; Heads, HeadsCount and load_query, seen_count,
//          load_partial, store_partial of each
//
// A split is attended to in rounds of as many blocks as workgroup memory has room for.
// Scores: lane = token; a lane loads 8 channels at a time and q goes round by shuffles.
// Values: SPAN lanes share a token, 8 channels each; the weights go round by shuffles.
// Markers: q = vectors of queries, t = tokens of a lane at a time, w = words of 8 channels,
// c = channels of a lane, i = tokens of 8 of a lane, p, g = steps of a reduction.
// has_rounds: if a split has more than one.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

var<workgroup> queries$q: array<Heads, D>;
var<workgroup> weights$q: array<Heads, ROUND_TOKENS>; // scores, then exp(score - m)

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak$q: Heads,
  total$q: Heads,
}

// Blocks that are scored together.
struct Round {
  first: u32,
  end: u32,
  is_first: bool, // of its split
}

fn run(workgroup: vec3<u32>) {
  let row = split_row(workgroup);
  let first = first_block(row, workgroup.y);
  let end = end_block(row, workgroup.y);
  if (first >= end) {
    return;
  }
  for (var channel = lane; channel < D; channel += LANE_COUNT) {
    queries$q[channel] = load_query_$q(workgroup, channel) * inverseSqrt(f32(D));
  }
  workgroupBarrier();
  var softmax = Softmax();
  softmax.peak$q = Heads(LOWEST);
  //: if has_rounds
  for (var start = first; start < end; start += BLOCKS_PER_ROUND) {
    let round = Round(start, min(start + BLOCKS_PER_ROUND, end), start == first);
    workgroupBarrier(); // every lane has read the weights of the round before
    softmax = attend(workgroup, row, round, softmax);
  }
  //: else
  softmax = attend(workgroup, row, Round(first, end, true), softmax);
  //: end
}

// Attends to the blocks of a round and joins what it gives to the split's partial result.
fn attend(workgroup: vec3<u32>, row: Row, round: Round, before: Softmax) -> Softmax {
  let first = round.first;
  let end = round.end;
  let lane8 = lane & 7u;
  let seen$q = seen_count_$q(workgroup);

  var peak$q = before.peak$q;
  // A lane writes and later reads the same places of `weights`, until the values are weighted.
  for (var block = first; block < end; block += 1u) {
    let keys = tile_word(row, block) / 4u + workgroup.x * (D * 8u) + lane;
    let visible = visible_tokens(row, block);
    let limit$q = min(seen$q, HeadsCount(block * 64u + token_count(row, block)));
    for (var start = 0u; start < visible; start += TOKENS_AT_A_TIME * LANE_COUNT) {
      var score$t_$q = Heads(0.0);
      for (var channel = 0u; channel < D; channel += 8u) {
        let query$q = queries$q[channel + lane8];
        let key$t = tiles[keys + channel * 8u + start + $tu * LANE_COUNT];
        //: repeat w
        let even$q_$w = shuffle_heads(query$q, 2u * $wu);
        let odd$q_$w = shuffle_heads(query$q, 2u * $wu + 1u);
        let pair$t_$w = unpack2x16float(key$t[$w]);
        score$t_$q += even$q_$w * pair$t_$w.x + odd$q_$w * pair$t_$w.y;
        //: end
      }
      let token$t = start + $tu * LANE_COUNT + lane;
      let is_seen$t_$q = HeadsCount(block * 64u + token$t) < limit$q;
      score$t_$q = select(Heads(LOWEST), score$t_$q, is_seen$t_$q);
      weights$q[(block - first) * 64u + token$t] = score$t_$q;
      peak$q = max(peak$q, score$t_$q);
    }
  }
  peak$q = max(peak$q, shuffle_heads(peak$q, lane ^ (1u << $pu)));

  var total$q = Heads(0.0);
  let stride = TOKENS_AT_A_TIME * LANE_COUNT;
  let scored = (visible_tokens(row, end - 1u) + stride - 1u) / stride * stride;
  for (var token = lane; token < (end - first - 1u) * 64u + scored; token += LANE_COUNT) {
    let weight$q = exp(weights$q[token] - peak$q);
    total$q += weight$q;
    weights$q[token] = weight$q;
  }
  total$q += shuffle_heads(total$q, lane ^ (1u << $pu));
  //: if has_rounds
  let kept$q = exp(before.peak$q - peak$q); // what a round before counts now
  total$q += before.total$q * kept$q;
  //: end
  workgroupBarrier();

  let split = partial_index(row, workgroup.y);
  if (lane == 0u) {
    store_partial_$q(workgroup, split, 0u, peak$q);
    store_partial_$q(workgroup, split, 1u, total$q);
  }
  let lane_group = lane / SPAN;
  for (var first_column = 0u; first_column < D / 8u; first_column += SPAN) {
    let column = first_column + lane % SPAN;
    var sum$c_$q = Heads(0.0);
    for (var block = first; block < end; block += 1u) {
      let part = tile_word(row, block) / 4u + KV_HEAD_COUNT * (D * 8u);
      let values = part + workgroup.x * (D * 8u) + column;
      let visible = visible_tokens(row, block);
      for (var start = 0u; start < visible; start += 8u) {
        let weight$q = weights$q[(block - first) * 64u + start + lane8];
        //: repeat i
        let place$i = $iu * (LANE_COUNT / SPAN) + lane_group;
        let share$i_$q = shuffle_heads(weight$q, place$i);
        // A row that is not visible may hold anything: read the last visible one, with weight 0.
        let value$i = tiles[values + min(start + place$i, visible - 1u) * (D / 8u)];
        sum0_$q += share$i_$q * unpack2x16float(value$i.x).x;
        sum1_$q += share$i_$q * unpack2x16float(value$i.x).y;
        sum2_$q += share$i_$q * unpack2x16float(value$i.y).x;
        sum3_$q += share$i_$q * unpack2x16float(value$i.y).y;
        sum4_$q += share$i_$q * unpack2x16float(value$i.z).x;
        sum5_$q += share$i_$q * unpack2x16float(value$i.z).y;
        sum6_$q += share$i_$q * unpack2x16float(value$i.w).x;
        sum7_$q += share$i_$q * unpack2x16float(value$i.w).y;
        //: end
      }
    }
    //: repeat g
    sum$c_$q += shuffle_heads(sum$c_$q, lane ^ (SPAN << $gu));
    //: end
    if (lane_group == 0u) {
      //: if has_rounds
      let earlier$c_$q = load_partial_$q(workgroup, split, 2u + column * 8u + $cu) * kept$q;
      sum$c_$q += select(earlier$c_$q, Heads(0.0), round.is_first);
      //: end
      store_partial_$q(workgroup, split, 2u + column * 8u + $cu, sum$c_$q);
    }
  }
  var after = before;
  after.peak$q = peak$q;
  after.total$q = total$q;
  return after;
}
