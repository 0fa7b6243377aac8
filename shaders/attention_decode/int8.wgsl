//: file shaders/attention_decode/int8.wgsl
// attention_decode/int8: one query row against int8 blocks, in splits that attention_merge joins:
//   score[t] = key_scale_t * sum_c q_c * code_tc / sqrt(D)
//   o[c] = sum_t exp(score_t - m) * value_scale_t * code_tc
//
// Source:    src/codec/FORMAT.md section 8; softmax as in arXiv:2205.14135
// Binds:     src/kernels/attention_decode/int8.ts; appends constants, heads, codes and lanes
// Reference: src/reference/attention_decode/int8.ts
// Grid:      (KV head, split, row); one workgroup for all heads of the group: LANE_COUNT lanes, or
//            several teams of as many, which take a block each and then join what they have
// Precision: integer codes, f32 accumulate, f32 out
// Shared:    lib/int8_codes.wgsl, lib/row.wgsl, lib/row_reach.wgsl
//
// In rounds of a block for each team, joined to the partial result, so that workgroup memory does
// not grow with a split. Scores: lane = token. Values: lane = four channels of a word.
// Markers: heads = vectors of heads.
// has_rounds: if a split may have more than one.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists

var<workgroup> queries${heads}: array<Heads, D>;
// Scores, then exp(score - m) * value_scale.
var<workgroup> weights${heads}: array<Heads, ROUND_TOKENS>;

// Place of query `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + index;
}

fn run(workgroup: vec3<u32>) {
  let row = row_of_head(rows[workgroup.z], workgroup.x);
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  let end = min(first + BLOCKS_PER_SPLIT, row.list_count);
  if (first >= end) {
    return;
  }
  let first_channel = team * LANE_COUNT + lane;
  for (var channel = first_channel; channel < D; channel += TEAM_COUNT * LANE_COUNT) {
    queries${heads}[channel] = load_query_${heads}(workgroup, channel) * inverseSqrt(f32(D));
  }
  workgroupBarrier();
  var peak${heads} = Heads(LOWEST);
  var total${heads} = Heads(0.0);
  for (var start = first; start < end; start += TEAM_COUNT) {
    let block = block_of_team(start, end);
    let entry = directory[row.list_start + block];
    let record = entry.record;
    let token_count = select(0u, entry_token_count(entry), has_block(end - start));
    let weights_start = team * BLOCK_TOKENS;
    let first_token = hidden_count(row, block);
    let keys = record + workgroup.x * SECTION_WORDS;
    let values = record + (KV_HEAD_COUNT + workgroup.x) * SECTION_WORDS;
    var next${heads} = peak${heads};
    for (var token = lane; token < BLOCK_TOKENS; token += LANE_COUNT) {
      var score${heads} = Heads(0.0);
      for (var word = 0u; word < D / 4u; word += 1u) {
        let place = ((word >> 1u) * BLOCK_TOKENS + token) * 2u + (word & 1u);
        let code = code_values(arena[keys + SCALE_WORDS + place]);
        score${heads} += queries${heads}[4u * word] * code.x;
        score${heads} += queries${heads}[4u * word + 1u] * code.y;
        score${heads} += queries${heads}[4u * word + 2u] * code.z;
        score${heads} += queries${heads}[4u * word + 3u] * code.w;
      }
      let key_scale = token_scale(keys, token);
      score${heads} = capped(score${heads} * key_scale);
      let is_seen = (token < token_count) & (token >= first_token);
      score${heads} = select(Heads(LOWEST), score${heads}, is_seen);
      weights${heads}[weights_start + token] = score${heads};
      next${heads} = max(next${heads}, score${heads});
    }
    for (var step = 1u; step < LANE_COUNT; step *= 2u) {
      next${heads} = max(next${heads}, shuffle_heads(next${heads}, lane ^ step));
    }
    next${heads} = max_teams(next${heads});
    let kept${heads} = exp(peak${heads} - next${heads});
    var added${heads} = Heads(0.0);
    for (var token = lane; token < BLOCK_TOKENS; token += LANE_COUNT) {
      let weight${heads} = exp(weights${heads}[weights_start + token] - next${heads});
      let value_scale = token_scale(values, token);
      added${heads} += weight${heads};
      weights${heads}[weights_start + token] = weight${heads} * value_scale;
    }
    for (var step = 1u; step < LANE_COUNT; step *= 2u) {
      added${heads} += shuffle_heads(added${heads}, lane ^ step);
    }
    total${heads} = total${heads} * kept${heads} + sum_teams(added${heads});
    peak${heads} = next${heads};
    workgroupBarrier();
    for (var first_word = 0u; first_word < D / 4u; first_word += LANE_COUNT) {
      let word = min(first_word + lane, D / 4u - 1u);
      let place = 2u + 4u * word;
      //: if has_rounds
      var x${heads} = load_partial_${heads}(workgroup, workgroup.y, place) * kept${heads};
      var y${heads} = load_partial_${heads}(workgroup, workgroup.y, place + 1u) * kept${heads};
      var z${heads} = load_partial_${heads}(workgroup, workgroup.y, place + 2u) * kept${heads};
      var w${heads} = load_partial_${heads}(workgroup, workgroup.y, place + 3u) * kept${heads};
      let begins = (start == first) | (team > 0u); // else it goes on from the rounds before
      x${heads} = select(x${heads}, Heads(0.0), begins);
      y${heads} = select(y${heads}, Heads(0.0), begins);
      z${heads} = select(z${heads}, Heads(0.0), begins);
      w${heads} = select(w${heads}, Heads(0.0), begins);
      //: else
      var x${heads} = Heads(0.0);
      var y${heads} = Heads(0.0);
      var z${heads} = Heads(0.0);
      var w${heads} = Heads(0.0);
      //: end
      for (var token = 0u; token < BLOCK_TOKENS; token += 1u) {
        let code = code_values(arena[values + SCALE_WORDS + token * (D / 4u) + word]);
        let weight${heads} = weights${heads}[weights_start + token];
        x${heads} += weight${heads} * code.x;
        y${heads} += weight${heads} * code.y;
        z${heads} += weight${heads} * code.z;
        w${heads} += weight${heads} * code.w;
      }
      x${heads} = sum_teams(x${heads});
      y${heads} = sum_teams(y${heads});
      z${heads} = sum_teams(z${heads});
      w${heads} = sum_teams(w${heads});
      if ((team == 0u) & (first_word + lane < D / 4u)) {
        store_partial_${heads}(workgroup, workgroup.y, place, x${heads});
        store_partial_${heads}(workgroup, workgroup.y, place + 1u, y${heads});
        store_partial_${heads}(workgroup, workgroup.y, place + 2u, z${heads});
        store_partial_${heads}(workgroup, workgroup.y, place + 3u, w${heads});
      }
    }
    workgroupBarrier();
  }
  if ((lane == 0u) & (team == 0u)) {
    store_partial_${heads}(workgroup, workgroup.y, 0u, peak${heads});
    store_partial_${heads}(workgroup, workgroup.y, 1u, total${heads});
  }
}
