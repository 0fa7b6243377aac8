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
// A sum goes by row, then by head, whatever slices the rows are in: its bits are the same. Keys of
// eight channels are unpacked once for a KV head's queries of ROWS_AT_A_TIME rows.
// has_sinks: if each head has a learned sink.

const LOWEST: f32 = -3.0e38;

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>; // [rows, query heads * D]
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

const GROUP: u32 = QUERY_HEAD_COUNT / KV_HEAD_COUNT;

var<workgroup> peaks: array<f32, ROWS_AT_A_TIME * QUERY_HEAD_COUNT>;
var<workgroup> totals: array<f32, ROWS_AT_A_TIME * QUERY_HEAD_COUNT>;

// Largest score of a head, and the sum of weights below it, to place `place` of those.
fn note_softmax(row_index: u32, place: u32) {
  let row = rows[row_index];
  let head = place % QUERY_HEAD_COUNT;
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
    let partial = start + split * (D + 2u);
    total += exp(partials[partial] - peak) * partials[partial + 1u];
  }
  //: if has_sinks
  total += exp(sinks[head] - peak);
  //: end
  peaks[place] = peak;
  totals[place] = total;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let last_index = observed.row_count - 1u;
  let last_row = rows[last_index];
  let block = first_block(last_row, 0u) + workgroup_id.x;
  if (block >= block_limit(last_row)) {
    return;
  }
  // The sinks of a first record stand behind its other tokens.
  let sink_count = select(0u, SINK_COUNT, block == 0u);
  let token = block * BLOCK_TOKENS + (lane + sink_count) % BLOCK_TOKENS;
  let slot = last_row.slot * SCORE_TOKENS;
  let tile = tile_word(last_row, block) / 4u + lane; // of all rows: they are of one slice
  var sum = 0.0;
  if (observed.is_first == 0u) {
    sum = scores[slot + token];
  }
  for (var first = observed.first_row; first < observed.row_count; first += ROWS_AT_A_TIME) {
    workgroupBarrier(); // every thread has read what is known of the rows before
    for (var place = lane; place < ROWS_AT_A_TIME * QUERY_HEAD_COUNT; place += 64u) {
      note_softmax(min(first + place / QUERY_HEAD_COUNT, last_index), place);
    }
    workgroupBarrier();
    var row_sums = array<f32, ROWS_AT_A_TIME>();
    for (var kv_head = 0u; kv_head < KV_HEAD_COUNT; kv_head++) {
      let keys = tile + kv_head * (D * (BLOCK_TOKENS / 8u));
      let first_head = kv_head * GROUP;
      let row_${i} = first + ${i}u / GROUP; // by row, then by head of the KV head
      let head_${i} = first_head + ${i}u % GROUP;
      let query_${i} = (min(row_${i}, last_index) * QUERY_HEAD_COUNT + head_${i}) * (D / 4u);
      var product_${i} = 0.0;
      for (var eight = 0u; eight < D / 8u; eight++) {
        let key = tiles[keys + eight * BLOCK_TOKENS];
        let a = unpack2x16float(key.x);
        let b = unpack2x16float(key.y);
        let c = unpack2x16float(key.z);
        let d = unpack2x16float(key.w);
        let low_${i} = q[query_${i} + 2u * eight];
        let high_${i} = q[query_${i} + 2u * eight + 1u];
        product_${i} += low_${i}.x * a.x + low_${i}.y * a.y;
        product_${i} += low_${i}.z * b.x + low_${i}.w * b.y;
        product_${i} += high_${i}.x * c.x + high_${i}.y * c.y;
        product_${i} += high_${i}.z * d.x + high_${i}.w * d.y;
      }
      //: repeat i
      if (row_${i} <= last_index) {
        let place = (${i}u / GROUP) * QUERY_HEAD_COUNT + head_${i};
        let score = capped(product_${i} * inverseSqrt(f32(D)));
        let weight = exp(score - peaks[place]) / totals[place];
        let share = select(0.0, weight, lane < visible_tokens(rows[row_${i}], block));
        row_sums[${i}u / GROUP] += share;
        if (row_${i} == last_index && observed.last_start > 0u) {
          scores[observed.last_start + head_${i} * SCORE_TOKENS + token] = share;
        }
      }
      //: end
    }
    sum += row_sums[${row}]; // 0 behind the last row
  }
  scores[slot + token] = sum;
}
