//: file shaders/attention_scores/raw.wgsl
// attention_scores/raw: the attention that tokens in raw tiles get from rows of a slice:
//   sums[t] += sum over rows r and heads h of p[r, h, t];  last[h, t] = p[last row, h, t]
//   p[r, h, t] = exp(capped(dot(q[r, h], k[t]) / sqrt(D)) - M[r, h]) / L[r, h]
// with M and L of all tokens that a row sees, from the partial results of its splits.
//
// Source:    arXiv:2404.14469, section 3.1: votes of an observation window
// Binds:     src/kernels/attention_scores/raw.ts; appends constants, a source of tiles and rows
// Reference: src/reference/attention_scores.ts
// Grid:      (block); one workgroup of 64 threads, one for each token
// Precision: f16 in, f32 accumulate, f32 out
//
// A sum goes by row, then by head, whatever slices the rows are in: its bits are the same.
// has_sinks: if each head has a learned sink.

const LOWEST: f32 = -3.0e38;

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
@group(0) @binding(3) var<storage, read> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<uniform> observed: Observed;
@group(0) @binding(5) var<storage, read_write> scores: array<f32>; // sums by slot, then last
//: if has_sinks
@group(0) @binding(8) var<storage, read> sinks: array<f32>; // [query heads]
//: end

struct Observed {
  first_row: u32,
  row_count: u32, // all rows of the slice
  is_first: u32, // what the sums hold is left out
  last_start: u32, // where `last` begins; 0 if it is not wanted
}

var<workgroup> peaks: array<f32, QUERY_HEAD_COUNT>;
var<workgroup> totals: array<f32, QUERY_HEAD_COUNT>;

// Largest score of a head, and the sum of weights below it.
fn note_softmax(row: Row, row_index: u32, head: u32) {
  let sealed_splits = (row.list_count + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let window_tiles = row.position / BLOCK_TOKENS + 1u - row.first_window_block;
  let start = (row_index * QUERY_HEAD_COUNT + head) * SPLIT_COUNT_MAX * (D + 2u);
  var peak = LOWEST;
  for (var split = 0u; split < sealed_splits + window_tiles; split++) {
    peak = max(peak, partials[start + split * (D + 2u)]);
  }
  //: if has_sinks
  peak = max(peak, sinks[head]);
  //: end
  var total = 0.0;
  for (var split = 0u; split < sealed_splits + window_tiles; split++) {
    let place = start + split * (D + 2u);
    total += exp(partials[place] - peak) * partials[place + 1u];
  }
  //: if has_sinks
  total += exp(sinks[head] - peak);
  //: end
  peaks[head] = peak;
  totals[head] = total;
}

// The score of a head of a row and the token whose keys begin at `keys`.
fn score_of(query: u32, keys: u32) -> f32 {
  var sum = 0.0;
  for (var eight = 0u; eight < D / 8u; eight++) {
    let key = tiles[keys + eight * BLOCK_TOKENS];
    let place = query + eight * 8u;
    for (var word = 0u; word < 4u; word++) {
      let pair = unpack2x16float(key[word]);
      sum += q[place + 2u * word] * pair.x + q[place + 2u * word + 1u] * pair.y;
    }
  }
  return capped(sum * inverseSqrt(f32(D)));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let last_row = rows[observed.row_count - 1u];
  let block = first_block(last_row, 0u) + workgroup_id.x;
  if (block >= block_limit(last_row)) {
    return;
  }
  // The sinks of a first record stand behind its other tokens.
  let sink_count = select(0u, SINK_COUNT, block == 0u);
  let token = block * BLOCK_TOKENS + (lane + sink_count) % BLOCK_TOKENS;
  let slot = last_row.slot * SCORE_TOKENS;
  var sum = 0.0;
  if (observed.is_first == 0u) {
    sum = scores[slot + token];
  }
  for (var row_index = observed.first_row; row_index < observed.row_count; row_index++) {
    let row = rows[row_index];
    workgroupBarrier(); // every thread has read what is known of the row before
    for (var head = lane; head < QUERY_HEAD_COUNT; head += 64u) {
      note_softmax(row, row_index, head);
    }
    workgroupBarrier();
    var row_sum = 0.0;
    for (var head = 0u; head < QUERY_HEAD_COUNT; head++) {
      let kv_head = head / (QUERY_HEAD_COUNT / KV_HEAD_COUNT);
      let keys = tile_word(row, block) / 4u + kv_head * (D * (BLOCK_TOKENS / 8u)) + lane;
      let query = (row_index * QUERY_HEAD_COUNT + head) * D;
      let weight = exp(score_of(query, keys) - peaks[head]) / totals[head];
      let share = select(0.0, weight, lane < visible_tokens(row, block));
      row_sum += share;
      if (row_index == observed.row_count - 1u && observed.last_start > 0u) {
        scores[observed.last_start + head * SCORE_TOKENS + token] = share;
      }
    }
    sum += row_sum;
  }
  scores[slot + token] = sum;
}
