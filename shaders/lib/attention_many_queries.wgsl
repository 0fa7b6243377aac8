//: file shaders/lib/attention_many_queries.wgsl
// Attention of QUERY_COUNT queries over the raw f16 tiles of one split, as products of tiles. For
// the split's tokens t that query g may see:
//   score[t] = capped(dot(q[g], k[t]) / sqrt(D));  m = max score;  l = sum exp(score - m)
//   o[c] = sum exp(score[t] - m) * v[t, c]
//
// Twin:    attention_raw_tiles.wgsl, of few queries, whose lanes exchange what they loaded
// Used by: attention_prefill/raw.wgsl
// Needs:   D, KV_HEAD_COUNT, GROUP_SIZE, QUERY_COUNT, LANE_COUNT, LANE_CHANNELS, COLUMN_COUNT,
//          CHUNK_SIZE, PART_SIZE; q, by QueryPart of PART_SIZE channels, tiles, slice, partials; a
//          source; split_row, query_place, query_seen_count; Heads, capped; token_position
//
// A group of LANE_COUNT threads has 8 queries, two vectors of 4, and goes through all tokens of a
// block: first a thread makes the scores of every LANE_COUNT-th token, later the sums of its own
// channels. Queries and weights it reads from workgroup memory, all threads of a group from the
// same place. Between the two a thread has one vector of queries and every PART_COUNT-th token: it
// makes weights of scores.
// A query's sums are made in the order of its tokens, and a token that it does not see adds 0: the
// same bits whatever other queries there are.
//
// Arrays in workgroup memory are nested so that the indices of what is read most are known: the
// runtime bounds every other index, for two instructions. They are longer than what they hold, so
// that threads that work together do not meet in a bank.
//
// What is no product is kept small. A chunk's products have no loop: the runtime counts the turns
// of every loop. Loops count at their end, and places in memory move on from turn to turn.
//
// Markers: token = of a thread, eight = channels of a chunk, word = of 8 channels, queries =
// vectors of a group, turn = tokens that a thread weighs, load = channels of a vector that it loads
// of a chunk, near = tokens next to each other, channel = pairs of channels of a thread, query = of
// a vector. is_partial: if not all tokens of a block may be there. has_idle: if some threads load
// nothing of a chunk.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite
const VECTOR_COUNT = QUERY_COUNT / 4u;
const GROUP_COUNT = QUERY_COUNT / 8u;
const THREAD_COUNT = LANE_COUNT * GROUP_COUNT;
const PART_COUNT = THREAD_COUNT / VECTOR_COUNT;
// Of indices of `tiles`: no binding has 2 GiB. A compiler that knows it adds what is known of an
// index as part of the load.
const PLACE_MASK = 0x07ffffffu;

// The two vectors of a group, for 8 channels, tokens or parts.
struct Eight {
  pairs: array<Heads, 17>,
}

const CHUNK_EIGHTS = CHUNK_SIZE / 8u;
const BLOCK_EIGHTS = BLOCK_TOKENS / 8u + 2u;

// [group][8 channels of a chunk]: queries. Later [group][8 parts]: largest scores, sums of weights.
var<workgroup> shared_heads: array<array<Eight, CHUNK_EIGHTS>, GROUP_COUNT>;
// [group][8 tokens]: scores, then exp(score - m).
var<workgroup> weights: array<Eight, GROUP_COUNT * BLOCK_EIGHTS>;
var<workgroup> kept: array<Heads, VECTOR_COUNT>; // what the blocks before count now
var<workgroup> query_starts: array<vec4<u32>, VECTOR_COUNT>; // in q
var<workgroup> query_seen: array<vec4<u32>, VECTOR_COUNT>; // tokens that they may see

// Of a slice's queries for a KV head, those that do not exist as the last one.
fn existing(workgroup: vec3<u32>, index: u32) -> u32 {
  let count = (slice[0] - slice[1]) * GROUP_SIZE;
  return min(workgroup.z * QUERY_COUNT + index, count - 1u) - workgroup.z * QUERY_COUNT;
}

// Tokens that the queries of a vector may see.
fn seen_counts(workgroup: vec3<u32>, vector: u32) -> vec4<u32> {
  let index${query} = existing(workgroup, vector * 4u + ${query}u);
  return vec4<u32>(
    //: repeat query
    query_seen_count(workgroup, index${query}),
    //: end
  );
}

// Where the queries of a vector begin in q.
fn starts_in_q(workgroup: vec3<u32>, vector: u32) -> vec4<u32> {
  let index${query} = existing(workgroup, vector * 4u + ${query}u);
  return D / PART_SIZE * vec4<u32>(
    //: repeat query
    query_place(workgroup, index${query}),
    //: end
  );
}

// What a thread loads of the first chunk.
fn first_places(group: u32, lane: u32) -> vec4<u32> {
  return query_starts[group * 2u + lane * PART_SIZE / CHUNK_SIZE] + lane % (CHUNK_SIZE / PART_SIZE);
}

// Shares a chunk of a group's queries, of which a thread has PART_SIZE channels of a vector.
fn load_chunk(group: u32, lane: u32, places: vec4<u32>) {
  //: if has_idle
  if (lane >= CHUNK_SIZE) {
    return;
  }
  //: end
  let queries = lane * PART_SIZE / CHUNK_SIZE;
  let channel = lane * PART_SIZE % CHUNK_SIZE;
  let part${query} = q[places[${query}]];
  //: repeat load
  shared_heads[group][channel / 8u].pairs[(channel % 8u + ${load}u) * 2u + queries] =
    Heads(part0[${load}], part1[${load}], part2[${load}], part3[${load}]);
  //: end
}

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = split_row(workgroup);
  let first = first_block(row, workgroup.y);
  let end = end_block(row, workgroup.y);
  if (first >= end) {
    return;
  }
  let lane = thread % LANE_COUNT;
  let group = thread / LANE_COUNT;
  let vector = thread % VECTOR_COUNT;
  let part = thread / VECTOR_COUNT;
  if (part == 0u) {
    query_starts[vector] = starts_in_q(workgroup, vector);
    query_seen[vector] = seen_counts(workgroup, vector);
  }
  workgroupBarrier();
  let first_channel = lane * LANE_CHANNELS;
  let column = min(first_channel / 8u, COLUMN_COUNT - 1u);
  let first_pair = first_channel % 8u / 2u;

  var peak = Heads(LOWEST);
  var total = Heads(0.0);
  var even${channel}_${queries} = Heads(0.0);
  var odd${channel}_${queries} = Heads(0.0);
  for (var block = first; block < end; block += 1u) {
    let tile = tile_word(row, block) / 4u + workgroup.x * (D * (BLOCK_TOKENS / 8u));
    var score${token}_${queries} = Heads(0.0);
    var keys = tile + lane;
    var places = first_places(group, lane);
    var chunk = 0u;
    while (chunk < D) {
      workgroupBarrier(); // what was shared, and the weights of the block before, have been read
      load_chunk(group, lane, places);
      workgroupBarrier();
      keys &= PLACE_MASK;
      //: repeat eight
      {
        let key${token} = tiles[keys + (${eight}u * BLOCK_TOKENS + ${token}u * LANE_COUNT)];
        //: repeat word
        let q_even${word}_${queries} =
          shared_heads[group][${eight}].pairs[4u * ${word}u + ${queries}u];
        let q_odd${word}_${queries} =
          shared_heads[group][${eight}].pairs[4u * ${word}u + 2u + ${queries}u];
        let pair${token}_${word} = unpack2x16float(key${token}[${word}]);
        score${token}_${queries} =
          fma(q_even${word}_${queries}, Heads(pair${token}_${word}.x), score${token}_${queries});
        score${token}_${queries} =
          fma(q_odd${word}_${queries}, Heads(pair${token}_${word}.y), score${token}_${queries});
        //: end
      }
      //: end
      chunk += CHUNK_SIZE;
      keys += CHUNK_SIZE * (BLOCK_TOKENS / 8u);
      places += CHUNK_SIZE / PART_SIZE;
    }
    let scored${token} = lane + ${token}u * LANE_COUNT;
    let scored_eight${token} = group * BLOCK_EIGHTS + scored${token} / 8u;
    weights[scored_eight${token}].pairs[scored${token} % 8u * 2u + ${queries}u] =
      score${token}_${queries};
    workgroupBarrier();

    let seen = query_seen[vector];
    let limit = min(seen, vec4<u32>(block * BLOCK_TOKENS + token_count(row, block)));
    let before = peak;
    //: repeat turn
    let weighed${turn} = part + ${turn}u * PART_COUNT;
    let place${turn} = vec4<u32>(block * BLOCK_TOKENS + weighed${turn});
    let position${turn} = vec4<u32>(token_position(row, block, weighed${turn}));
    let is_seen${turn} = (place${turn} < limit) & (position${turn} + row.reach >= seen);
    let eight${turn} = vector / 2u * BLOCK_EIGHTS + weighed${turn} / 8u;
    let pair${turn} = weighed${turn} % 8u * 2u + vector % 2u;
    let raw${turn} = weights[eight${turn}].pairs[pair${turn}] * inverseSqrt(f32(D));
    let own${turn} = select(Heads(LOWEST), capped(raw${turn}), is_seen${turn});
    peak = max(peak, own${turn});
    //: end
    share_part(part, vector, peak);
    for (var other = 0u; other < PART_COUNT; other += 1u) {
      peak = max(peak, part_of(other, vector));
    }
    let factor = exp(before - peak);
    total *= factor;
    //: repeat turn
    let weight${turn} = exp(own${turn} - peak);
    total += weight${turn};
    weights[eight${turn}].pairs[pair${turn}] = weight${turn};
    //: end
    if (part == 0u) {
      kept[vector] = factor;
    }
    workgroupBarrier();

    let factor${queries} = kept[group * 2u + ${queries}u];
    even${channel}_${queries} *= factor${queries};
    odd${channel}_${queries} *= factor${queries};
    let visible = visible_tokens(row, block);
    var values = tile + KV_HEAD_COUNT * (D * (BLOCK_TOKENS / 8u)) + column;
    var token = 0u;
    while (token < visible) {
      let eight = group * BLOCK_EIGHTS + token / 8u;
      values &= PLACE_MASK;
      //: repeat near
      {
        //: if is_partial
        // What is not visible may hold anything: the last visible one is read, with weight 0.
        let place = values + min(${near}u, visible - 1u - token) * (D / 8u);
        //: else
        let place = values + ${near}u * (D / 8u);
        //: end
        let weight${queries} = weights[eight].pairs[${near}u * 2u + ${queries}u];
        let pair${channel} = unpack2x16float(tiles[place][first_pair + ${channel}u]);
        even${channel}_${queries} =
          fma(weight${queries}, Heads(pair${channel}.x), even${channel}_${queries});
        odd${channel}_${queries} =
          fma(weight${queries}, Heads(pair${channel}.y), odd${channel}_${queries});
      }
      //: end
      token += 8u;
      values += D;
    }
  }

  share_part(part, vector, total); // every thread has read the largest scores
  let split = partial_index(row, workgroup.y);
  let count = (slice[0] - slice[1]) * GROUP_SIZE - workgroup.z * QUERY_COUNT; // of existing queries
  if (part == 0u) {
    total = sum_parts(vector);
    //: repeat query
    if (vector * 4u + ${query}u < count) {
      let at = partial_place(workgroup, vector * 4u + ${query}u, split);
      partials[at] = peak[${query}];
      partials[at + 1u] = total[${query}];
    }
    //: end
  }
  if (first_channel < D) {
    //: repeat queries
    //: repeat query
    if ((group * 2u + ${queries}u) * 4u + ${query}u < count) {
      let at = partial_place(workgroup, (group * 2u + ${queries}u) * 4u + ${query}u, split) + 2u;
      partials[at + first_channel + 2u * ${channel}u] = even${channel}_${queries}[${query}];
      partials[at + first_channel + 2u * ${channel}u + 1u] = odd${channel}_${queries}[${query}];
    }
    //: end
    //: end
  }
}

// Shows the other threads of a vector what a part has, when they have read what was shared before.
fn share_part(part: u32, vector: u32, value: Heads) {
  shared_heads[vector / 2u][part / 8u].pairs[part % 8u * 2u + vector % 2u] = value;
  workgroupBarrier();
}

fn part_of(part: u32, vector: u32) -> Heads {
  return shared_heads[vector / 2u][part / 8u].pairs[part % 8u * 2u + vector % 2u];
}

fn sum_parts(vector: u32) -> Heads {
  var sum = Heads(0.0);
  for (var part = 0u; part < PART_COUNT; part += 1u) {
    sum += part_of(part, vector);
  }
  return sum;
}

// Of the partial result of a query.
fn partial_place(workgroup: vec3<u32>, index: u32, split: u32) -> u32 {
  return (query_place(workgroup, index) * SPLIT_COUNT_MAX + split) * (D + 2u);
}
