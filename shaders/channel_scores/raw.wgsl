//: file shaders/channel_scores/raw.wgsl
// channel_scores/raw: how large queries and keys of a prompt are in each channel of K:
//   keys[c] = sum over tokens t in raw tiles of k[t, c]^2
//   queries[slot, c] = sum over rows r and query heads h of c's KV head of q[r, h, c]^2
//
// Source:    arXiv:2407.21018, section 3.2: the Frobenius norm of q_c k_c^T is the root of the
//            product of both sums
// Binds:     src/kernels/channel_scores/raw.ts; appends constants, a source of tiles and rows
// Reference: src/reference/channel_scores.ts
// Grid:      (eight channels of K); one workgroup of 64 threads, one for each token
// Precision: f16 in, f32 accumulate, f32 out
//
// Keys are summed up again by every slice: its first part, sealed or not, begins at 0. Queries go
// on where an earlier slice of the prompt was observed.
// has_queries: if those of the rows are summed up, of source `window` alone.

//: if has_queries
@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
//: end
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
@group(0) @binding(3) var<uniform> observed: Observed;
@group(0) @binding(4) var<storage, read_write> channels: array<f32>; // [slot][c], then keys [c]

struct Observed {
  first_row: u32,
  row_count: u32, // all rows of the slice
  is_first: u32, // what the sums of queries hold is left out
  last_start: u32,
}

const CHANNEL_COUNT = KV_HEAD_COUNT * D;

var<workgroup> squares: array<f32, 8 * BLOCK_TOKENS>; // [channel][token]

// Squares of the lane's token in a block, of eight channels; 0 if it is not seen.
fn add_squares(row: Row, block: u32, eight: u32, lane: u32) {
  if (lane >= visible_tokens(row, block)) {
    return;
  }
  let key = tiles[tile_word(row, block) / 4u + eight * BLOCK_TOKENS + lane];
  for (var word = 0u; word < 4u; word++) {
    let pair = unpack2x16float(key[word]);
    squares[2u * word * BLOCK_TOKENS + lane] += pair.x * pair.x;
    squares[(2u * word + 1u) * BLOCK_TOKENS + lane] += pair.y * pair.y;
  }
}

//: if has_queries
fn query_squares(channel: u32) -> f32 {
  let kv_head = channel / D;
  let group_size = QUERY_HEAD_COUNT / KV_HEAD_COUNT;
  var sum = 0.0;
  for (var row = observed.first_row; row < observed.row_count; row++) {
    for (var head = kv_head * group_size; head < (kv_head + 1u) * group_size; head++) {
      let value = q[(row * QUERY_HEAD_COUNT + head) * D + channel % D];
      sum += value * value;
    }
  }
  return sum;
}
//: end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[observed.row_count - 1u];
  let eight = workgroup_id.x;
  let first = first_block(row, 0u);
  for (var block = first; block < block_limit(row); block++) {
    add_squares(row, block, eight, lane);
  }
  workgroupBarrier();
  if (lane >= 8u) {
    return;
  }
  let channel = eight * 8u + lane;
  let place = KEYS_START + channel;
  var sum = 0.0;
  if (!is_first_part(row)) {
    sum = channels[place];
  }
  for (var token = 0u; token < BLOCK_TOKENS; token++) {
    sum += squares[lane * BLOCK_TOKENS + token];
  }
  channels[place] = sum;
  //: if has_queries
  let slot = row.slot * CHANNEL_COUNT + channel;
  var query_sum = query_squares(channel);
  if (observed.is_first == 0u) {
    query_sum += channels[slot];
  }
  channels[slot] = query_sum;
  //: end
}
