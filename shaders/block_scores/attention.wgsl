//: file shaders/block_scores/attention.wgsl
// block_scores/attention: the attention that blocks get from a row's queries of a KV head, summed
// over the heads of the group: what choices by summaries are measured against
//   score[b] = sum over heads of sum over tokens t of block b of exp(s[t]) / sum over all tokens
//   s[t] = capped(dot(q, k[t]) / sqrt(D)), the raw window among all tokens
//
// Source:    none: the softmax of arXiv:1706.03762, section 3.2.1
// Binds:     src/kernels/block_scores/attention.ts, which appends constants
// Reference: src/reference/block_scores.ts
// Grid:      (KV head, row); one workgroup, a thread for each token of a tile, twice over all tiles
// Precision: f16 keys, f32 accumulate
//
// Loops take several steps a turn: a software driver makes a limited number of turns.
//
// Markers: part, word (of keys, in a turn), near (tokens of a turn); is_unpacked: if tiles are
// those of the first row's list, one behind the other; else the arena, with keys as they are:
// profile exact.

const LOWEST: f32 = -3.0e38;

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> directory: array<Entry>;
@group(0) @binding(3) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> window: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> scores: array<f32>; // [row, KV head, LIST_MAX]

var<workgroup> token_scores: array<f32, GROUP_SIZE * BLOCK_TOKENS>;
var<workgroup> peaks: array<f32, GROUP_SIZE>; // of each head, over the tiles so far
var<workgroup> totals: array<f32, GROUP_SIZE>;
var<workgroup> shares: array<f32, GROUP_SIZE>;

// First vec4 of the keys of a block.
fn first_of(entry: Entry, block: u32) -> u32 {
  //: if is_unpacked
  return block * (TILE_WORDS / 4u);
  //: else
  return entry.record / 4u;
  //: end
}

// Scores of a tile's tokens, `keys` being its first vec4; those not seen are LOWEST.
fn score_tile(workgroup: vec3<u32>, thread: u32, keys: u32, is_window: bool, seen_count: u32) {
  let first = keys + workgroup.x * (D * (BLOCK_TOKENS / 8u)) + thread;
  for (var head = 0u; head < GROUP_SIZE; head += 1u) {
    let query = (workgroup.y * QUERY_HEAD_COUNT + workgroup.x * GROUP_SIZE + head) * D;
    var sum = 0.0;
    for (var channel = 0u; channel < D; channel += 32u) {
      //: repeat part
      {
        let place = first + (channel + 8u * ${part}u) * (BLOCK_TOKENS / 8u);
        var words = vec4<u32>(0u);
        if (is_window) {
          words = window[place];
        } else {
          words = tiles[place];
        }
        let at = query + channel + 8u * ${part}u;
        //: repeat word
        let pair${word} = unpack2x16float(words[${word}u]);
        sum += q[at + 2u * ${word}u] * pair${word}.x + q[at + 2u * ${word}u + 1u] * pair${word}.y;
        //: end
      }
      //: end
    }
    let score = capped(sum * inverseSqrt(f32(D)));
    token_scores[head * BLOCK_TOKENS + thread] = select(LOWEST, score, thread < seen_count);
  }
}

// Adds the tile that was scored to the totals; a thread for each head.
fn add_tile(head: u32) {
  var peak = peaks[head];
  for (var token = head * BLOCK_TOKENS; token < (head + 1u) * BLOCK_TOKENS; token += 8u) {
    peak = max(peak, token_scores[token + ${near}u]);
  }
  totals[head] = totals[head] * exp(peaks[head] - peak) + tile_sum(head, peak);
  peaks[head] = peak;
}

fn tile_sum(head: u32, peak: f32) -> f32 {
  var sum = 0.0;
  for (var token = head * BLOCK_TOKENS; token < (head + 1u) * BLOCK_TOKENS; token += 8u) {
    let score${near} = token_scores[token + ${near}u];
    sum += select(0.0, exp(score${near} - peak), score${near} > LOWEST);
  }
  return sum;
}

@compute @workgroup_size(BLOCK_TOKENS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = rows[workgroup.y];
  if (thread < GROUP_SIZE) {
    peaks[thread] = LOWEST;
    totals[thread] = 0.0;
  }
  for (var block = 0u; block < row.list_count; block += 1u) {
    let entry = directory[row.list_start + block];
    workgroupBarrier();
    score_tile(workgroup, thread, first_of(entry, block), false, entry_token_count(entry));
    workgroupBarrier();
    if (thread < GROUP_SIZE) {
      add_tile(thread);
    }
  }
  for (var block = row.first_window_block; block * BLOCK_TOKENS <= row.position; block += 1u) {
    let tile = (row.slot * WINDOW_TILE_COUNT + block % WINDOW_TILE_COUNT) * TILE_WORDS;
    workgroupBarrier();
    score_tile(workgroup, thread, tile / 4u, true, row.position + 1u - block * BLOCK_TOKENS);
    workgroupBarrier();
    if (thread < GROUP_SIZE) {
      add_tile(thread);
    }
  }
  for (var block = 0u; block < row.list_count; block += 1u) {
    let entry = directory[row.list_start + block];
    workgroupBarrier();
    score_tile(workgroup, thread, first_of(entry, block), false, entry_token_count(entry));
    workgroupBarrier();
    if (thread < GROUP_SIZE) {
      shares[thread] = tile_sum(thread, peaks[thread]) / totals[thread];
    }
    workgroupBarrier();
    if (thread == 0u) {
      var sum = 0.0;
      for (var head = 0u; head < GROUP_SIZE; head += 1u) {
        sum += shares[head];
      }
      scores[(workgroup.y * KV_HEAD_COUNT + workgroup.x) * LIST_MAX + block] = sum;
    }
  }
}
