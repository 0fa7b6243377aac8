//: file shaders/lib/attention_raw_tiles.wgsl
// Attention of a few queries over the raw f16 tiles of one split: scores, softmax, weighted values.
// For the split's tokens t that query g may see:
//   score[t] = capped(dot(q[g], k[t]) / sqrt(D));  m = max score;  l = sum exp(score - m)
//   o[c] = sum exp(score[t] - m) * v[t, c]
//
// Used by: attention_decode/raw.wgsl, attention_prefill/raw.wgsl
// Needs:   D, QUERY_SIZE, KV_HEAD_COUNT, LANE_COUNT, SPAN, BLOCKS_PER_ROUND, ROUND_TOKENS,
//          TOKENS_AT_A_TIME; tiles; a source; lanes and teams; split_row; Heads, HeadsCount and
//          load_query, seen_count, load_partial, store_partial of each; capped; token_position
//
// A split is attended to in rounds of as many blocks as workgroup memory has room for, or as there
// are teams, of which each takes one.
// Scores: lane = token; a lane loads 8 channels at a time and q goes round by shuffles.
// Values: SPAN lanes share a token, 8 channels each; the weights go round by shuffles.
// Markers: queries = vectors of queries, token = of a lane's at a time, word = of 8 channels,
// channel = of a lane's, turn = tokens of 8 of a lane, fold = steps of a reduction over groups.
// has_rounds: if a split has more than one. has_teams: if there are teams.
// has_latents: if keys and values are the halves of latents, each of which is key and value: a
// query has QUERY_SIZE = 2 * D channels, and gets as many.

//: if has_latents
// Place of 8 channels of a token, counted over both halves of a latent.
fn latent_place(tile: u32, head: u32, column: u32, token: u32) -> u32 {
  let size = D / 8u * BLOCK_TOKENS; // of a head's half
  if (column < D / 8u) {
    return tile + head * size + column * BLOCK_TOKENS + token;
  }
  return tile + (KV_HEAD_COUNT + head) * size + token * (D / 8u) + column - D / 8u;
}
//: end

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

var<workgroup> queries${queries}: array<Heads, QUERY_SIZE>;
var<workgroup> weights${queries}: array<Heads, ROUND_TOKENS>; // scores, then exp(score - m)

// Largest score and sum of weights of the tokens seen so far.
struct Softmax {
  peak${queries}: Heads,
  total${queries}: Heads,
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
  let first_channel = team * LANE_COUNT + lane;
  for (var channel = first_channel; channel < QUERY_SIZE; channel += TEAM_COUNT * LANE_COUNT) {
    queries${queries}[channel] = load_query_${queries}(workgroup, channel) * inverseSqrt(f32(D));
  }
  workgroupBarrier();
  var softmax = Softmax();
  softmax.peak${queries} = Heads(LOWEST);
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
  let seen${queries} = seen_count_${queries}(workgroup);

  var peak${queries} = before.peak${queries};
  // A lane writes and later reads the same places of `weights`, until the values are weighted.
  //: if has_teams
  {
    let slot = team;
    let block = block_of_team(first, end);
    //: else
  for (var block = first; block < end; block += 1u) {
    let slot = block - first;
    //: end
    let tile = tile_word(row, block) / 4u;
    let keys = tile + workgroup.x * (D * (BLOCK_TOKENS / 8u)) + lane;
    let visible = visible_tokens(row, block);
    let block_end =
      select(0u, block * BLOCK_TOKENS + token_count(row, block), has_block(end - first));
    let limit${queries} = min(seen${queries}, HeadsCount(block_end));
    for (var start = 0u; start < visible; start += TOKENS_AT_A_TIME * LANE_COUNT) {
      var score${token}_${queries} = Heads(0.0);
      for (var channel = 0u; channel < QUERY_SIZE; channel += 8u) {
        let query${queries} = queries${queries}[channel + lane8];
        //: if has_latents
        let place${token} = start + ${token}u * LANE_COUNT + lane;
        let key${token} = tiles[latent_place(tile, workgroup.x, channel / 8u, place${token})];
        //: else
        let key${token} =
          tiles[keys + channel * (BLOCK_TOKENS / 8u) + start + ${token}u * LANE_COUNT];
        //: end
        //: repeat word
        let even${queries}_${word} = shuffle_heads(query${queries}, 2u * ${word}u);
        let odd${queries}_${word} = shuffle_heads(query${queries}, 2u * ${word}u + 1u);
        let pair${token}_${word} = unpack2x16float(key${token}[${word}]);
        score${token}_${queries} +=
          even${queries}_${word} * pair${token}_${word}.x + odd${queries}_${word} *
            pair${token}_${word}.y;
        //: end
      }
      let token${token} = start + ${token}u * LANE_COUNT + lane;
      let place${token} = HeadsCount(block * BLOCK_TOKENS + token${token});
      let position${token} = HeadsCount(token_position(row, block, token${token}));
      let is_seen${token}_${queries} =
        (place${token} < limit${queries}) & (position${token} + row.reach >= seen${queries});
      score${token}_${queries} = capped(score${token}_${queries});
      score${token}_${queries} =
        select(Heads(LOWEST), score${token}_${queries}, is_seen${token}_${queries});
      weights${queries}[slot * BLOCK_TOKENS + token${token}] = score${token}_${queries};
      peak${queries} = max(peak${queries}, score${token}_${queries});
    }
  }
  peak${queries} = max_teams(max_lanes(peak${queries}));

  var total${queries} = Heads(0.0);
  //: if has_teams
  let first_token = team * BLOCK_TOKENS;
  for (var token = first_token + lane; token < first_token + BLOCK_TOKENS; token += LANE_COUNT) {
    //: else
  let stride = TOKENS_AT_A_TIME * LANE_COUNT;
  let scored = (visible_tokens(row, end - 1u) + stride - 1u) / stride * stride;
  for (var token = lane; token < (end - first - 1u) * BLOCK_TOKENS + scored; token += LANE_COUNT) {
    //: end
    let weight${queries} = exp(weights${queries}[token] - peak${queries});
    total${queries} += weight${queries};
    weights${queries}[token] = weight${queries};
  }
  total${queries} = sum_teams(sum_lanes(total${queries}));
  //: if has_rounds
  let kept${queries} =
    exp(before.peak${queries} - peak${queries}); // what a round before counts now
  total${queries} += before.total${queries} * kept${queries};
  //: end
  workgroupBarrier();

  let split = partial_index(row, workgroup.y);
  if ((lane == 0u) & (team == 0u)) {
    store_partial_${queries}(workgroup, split, 0u, peak${queries});
    store_partial_${queries}(workgroup, split, 1u, total${queries});
  }
  let lane_group = lane / SPAN;
  for (var first_column = 0u; first_column < QUERY_SIZE / 8u; first_column += SPAN) {
    let column = first_column + lane % SPAN;
    var sum${channel}_${queries} = Heads(0.0);
    //: if has_teams
    {
      let slot = team;
      let block = block_of_team(first, end);
      //: else
    for (var block = first; block < end; block += 1u) {
      let slot = block - first;
      //: end
      let tile = tile_word(row, block) / 4u;
      let part = tile + KV_HEAD_COUNT * (D * (BLOCK_TOKENS / 8u));
      let values = part + workgroup.x * (D * (BLOCK_TOKENS / 8u)) + column;
      let visible = visible_tokens(row, block);
      for (var start = 0u; start < visible; start += 8u) {
        let weight${queries} = weights${queries}[slot * BLOCK_TOKENS + start + lane8];
        //: repeat turn
        let place${turn} = ${turn}u * (LANE_COUNT / SPAN) + lane_group;
        let share${turn}_${queries} = shuffle_heads(weight${queries}, place${turn});
        // A row that is not visible may hold anything: read the last visible one, with weight 0.
        let token${turn} = min(start + place${turn}, visible - 1u);
        //: if has_latents
        let value${turn} = tiles[latent_place(tile, workgroup.x, column, token${turn})];
        //: else
        let value${turn} = tiles[values + token${turn} * (D / 8u)];
        //: end
        sum0_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.x).x;
        sum1_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.x).y;
        sum2_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.y).x;
        sum3_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.y).y;
        sum4_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.z).x;
        sum5_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.z).y;
        sum6_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.w).x;
        sum7_${queries} += share${turn}_${queries} * unpack2x16float(value${turn}.w).y;
        //: end
      }
    }
    sum${channel}_${queries} = sum_teams(sum_lane_groups(sum${channel}_${queries}));
    if ((lane_group == 0u) & (team == 0u)) {
      //: if has_rounds
      let earlier${channel}_${queries} =
        load_partial_${queries}(workgroup, split, 2u + column * 8u + ${channel}u) * kept${queries};
      sum${channel}_${queries} += select(earlier${channel}_${queries}, Heads(0.0), round.is_first);
      //: end
      store_partial_${queries}(
        workgroup, split, 2u + column * 8u + ${channel}u, sum${channel}_${queries});
    }
  }
  var after = before;
  after.peak${queries} = peak${queries};
  after.total${queries} = total${queries};
  return after;
}

// Over the lanes that have the same channels of different tokens.
fn sum_lane_groups(value: Heads) -> Heads {
  var sum = value;
  sum += shuffle_heads(sum, lane ^ (SPAN << ${fold}u));
  return sum;
}
