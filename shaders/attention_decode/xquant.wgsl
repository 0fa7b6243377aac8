//: file shaders/attention_decode/xquant.wgsl
// attention_decode/xquant: one query row against XQuant blocks, in splits that attention_merge
// joins; a code reads as base + slope * code, of K by channel c, of V by token t:
//   score[t] = (sum_c q_c base_c + sum_c q_c slope_c code_tc) / sqrt(D)
//   o[c] = sum_t w_t base_t + sum_t w_t slope_t code_tc, w_t = exp(score_t - m)
//
// Source:    src/codec/FORMAT.md section 10; softmax as in arXiv:2205.14135
// Binds:     src/kernels/attention_decode/xquant.ts; appends constants, heads, codes and lanes
// Reference: src/reference/attention_decode/xquant.ts
// Grid:      (KV head, split, row); one workgroup for all heads of the group: LANE_COUNT lanes, or
//            several teams of as many, which take a block each and then join what they have
// Precision: integer codes, f32 accumulate, f32 out
// Shared:    lib/xquant_codes.wgsl, lib/kv_raw_tile.wgsl, lib/row.wgsl
//
// In rounds of a block for each team, joined to the partial result, so that workgroup memory does
// not grow with a split. Scores: lane = token. Values: lane = channel.
// Markers: heads = vectors of heads.
// has_rounds: if a split may have more than one.

const LOWEST: f32 = -3.0e38; // below every score, and its distance to any of them is finite

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists
// [1]: words from a record to the codes it is read with, modulo 2^32
@group(0) @binding(5) var<storage, read> code_start: array<u32>;

// Query * slope of the channels of each team's block.
var<workgroup> slopes${heads}: array<Heads, TEAM_COUNT * D>;
// Scores, then exp(score - m) * slope.
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
  let head = workgroup.x;
  let bit_words = D * (BLOCK_TOKENS / 32u);
  let key_codes = code_start[0] + head * bit_words * KEY_BITS;
  let value_codes = code_start[0] + bit_words * (KV_HEAD_COUNT * KEY_BITS + head * VALUE_BITS);
  var peak${heads} = Heads(LOWEST);
  var total${heads} = Heads(0.0);
  for (var start = first; start < end; start += TEAM_COUNT) {
    let block = block_of_team(start, end);
    let entry = directory[row.list_start + block];
    let record = entry.record;
    let token_count = select(0u, entry_token_count(entry), has_block(end - start));
    let weights_start = team * BLOCK_TOKENS;
    let values = record + KV_HEAD_COUNT * D + head * BLOCK_TOKENS;
    var constant${heads} = Heads(0.0);
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let line = line_of(arena[record + head * D + channel], KEY_BASE, KEY_SLOPE);
      let query${heads} = load_query_${heads}(workgroup, channel) * inverseSqrt(f32(D));
      constant${heads} += query${heads} * line.x;
      slopes${heads}[team * D + channel] = query${heads} * line.y;
    }
    for (var step = 1u; step < LANE_COUNT; step *= 2u) {
      constant${heads} += shuffle_heads(constant${heads}, lane ^ step);
    }
    workgroupBarrier();
    var next${heads} = peak${heads};
    for (var token = lane; token < BLOCK_TOKENS; token += LANE_COUNT) {
      var score${heads} = constant${heads};
      for (var part = 0u; part < D * KEY_BITS / 32u; part += 1u) {
        var codes = arena[record + key_codes + part * BLOCK_TOKENS + token];
        let channel = team * D + part * (32u / KEY_BITS);
        for (var index = 0u; index < 32u / KEY_BITS; index += 1u) {
          let code = f32(codes & ((1u << KEY_BITS) - 1u));
          score${heads} += slopes${heads}[channel + index] * code;
          codes >>= KEY_BITS;
        }
      }
      score${heads} = capped(score${heads});
      score${heads} = select(Heads(LOWEST), score${heads}, token < token_count);
      weights${heads}[weights_start + token] = score${heads};
      next${heads} = max(next${heads}, score${heads});
    }
    for (var step = 1u; step < LANE_COUNT; step *= 2u) {
      next${heads} = max(next${heads}, shuffle_heads(next${heads}, lane ^ step));
    }
    next${heads} = max_teams(next${heads});
    let kept${heads} = exp(peak${heads} - next${heads});
    var added${heads} = Heads(0.0);
    var base${heads} = Heads(0.0);
    for (var token = lane; token < BLOCK_TOKENS; token += LANE_COUNT) {
      let line = line_of(arena[values + token], VALUE_BASE, VALUE_SLOPE);
      let weight${heads} = exp(weights${heads}[weights_start + token] - next${heads});
      added${heads} += weight${heads};
      base${heads} += weight${heads} * line.x;
      weights${heads}[weights_start + token] = weight${heads} * line.y;
    }
    for (var step = 1u; step < LANE_COUNT; step *= 2u) {
      added${heads} += shuffle_heads(added${heads}, lane ^ step);
      base${heads} += shuffle_heads(base${heads}, lane ^ step);
    }
    total${heads} = total${heads} * kept${heads} + sum_teams(added${heads});
    peak${heads} = next${heads};
    workgroupBarrier();
    for (var first_channel = 0u; first_channel < D; first_channel += LANE_COUNT) {
      let channel = first_channel + lane;
      let place = 2u + channel;
      let word = record + value_codes + channel * VALUE_BITS / 32u;
      let bit = channel * VALUE_BITS % 32u;
      //: if has_rounds
      var sum${heads} = load_partial_${heads}(workgroup, workgroup.y, place) * kept${heads};
      let begins = (start == first) | (team > 0u); // else it goes on from the rounds before
      sum${heads} = select(sum${heads}, Heads(0.0), begins) + base${heads};
      //: else
      var sum${heads} = base${heads};
      //: end
      for (var token = 0u; token < BLOCK_TOKENS; token += 1u) {
        let code = f32(extractBits(arena[word + token * (D * VALUE_BITS / 32u)], bit, VALUE_BITS));
        sum${heads} += weights${heads}[weights_start + token] * code;
      }
      sum${heads} = sum_teams(sum${heads});
      if (team == 0u) {
        store_partial_${heads}(workgroup, workgroup.y, place, sum${heads});
      }
    }
    workgroupBarrier();
  }
  if ((lane == 0u) & (team == 0u)) {
    store_partial_${heads}(workgroup, workgroup.y, 0u, peak${heads});
    store_partial_${heads}(workgroup, workgroup.y, 1u, total${heads});
  }
}
