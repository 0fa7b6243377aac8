//: file shaders/block_summary/clusters.wgsl
// block_summary/clusters: the means of two clusters of the keys of each KV head of sealed blocks
//   similarity(t, u) = dot(k[t], u) / |k[t]|
//   seeds: the token least like the mean of all directions, then the token least like that one
//   ROUNDS times: a token goes to the more similar seed or mean direction, to the first if alike;
//   a cluster's direction is the mean of its tokens' directions, normed
//   what is kept of a cluster is the mean of its keys; of one that is empty, that of the other
//
// Source:    ClusterKV, arXiv:2412.03213, section 3.2 (k-means by cosine), block by block
// Binds:     src/kernels/block_summary/clusters.ts, which appends lines of sources.ts
// Reference: src/reference/block_summary.ts
// Grid:      (KV head, block); one workgroup, a thread for each token, then for channels
// Precision: f16 in, f32 accumulate, f16 out

const ROUNDS: u32 = 4u;

@group(0) @binding(0) var<storage, read> rows: array<Row>; // row 0: the entries to summarise
@group(0) @binding(1) var<storage, read> directory: array<Entry>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>; // raw tiles
@group(0) @binding(3) var<storage, read_write> summaries: array<u32>; // [entry, KV head, D]

var<workgroup> directions: array<vec2<f32>, D>; // of both clusters
var<workgroup> inverse_norms: array<f32, BLOCK_TOKENS>;
var<workgroup> similarities: array<f32, BLOCK_TOKENS>;
var<workgroup> is_second: array<u32, BLOCK_TOKENS>;
var<workgroup> square_sums: array<vec2<f32>, BLOCK_TOKENS>;

fn key_of(keys: u32, token: u32, channel: u32) -> f32 {
  let words = tiles[keys + (channel >> 3u) * BLOCK_TOKENS + token];
  let pair = unpack2x16float(words[(channel >> 1u) & 3u]);
  return pair[channel & 1u];
}

// Dot products of a token's key with both directions.
fn likeness(keys: u32, token: u32) -> vec2<f32> {
  var sum = vec2<f32>(0.0);
  for (var channel = 0u; channel < D; channel += 1u) {
    sum += key_of(keys, token, channel) * directions[channel];
  }
  return sum * inverse_norms[token];
}

// The token that is least like what `similarities` compare with, the first of them.
fn least_similar(token_count: u32) -> u32 {
  var chosen = 0u;
  for (var token = 1u; token < token_count; token += 1u) {
    if (similarities[token] < similarities[chosen]) {
      chosen = token;
    }
  }
  return chosen;
}

@compute @workgroup_size(BLOCK_TOKENS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let entry = rows[0].list_start + workgroup.y;
  let token_count = entry_token_count(directory[entry]);
  let is_token = thread < token_count;
  let tile = tile_word(directory[entry], workgroup.y) / 4u;
  let keys = tile + workgroup.x * (D / 8u) * BLOCK_TOKENS;
  var square = 0.0;
  for (var channel = 0u; channel < D; channel += 1u) {
    let key = key_of(keys, thread, channel);
    square += key * key;
  }
  inverse_norms[thread] = select(0.0, inverseSqrt(square), is_token & (square > 0.0));
  workgroupBarrier();
  for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
    var sum = 0.0;
    for (var token = 0u; token < token_count; token += 1u) {
      sum += key_of(keys, token, channel) * inverse_norms[token];
    }
    directions[channel] = vec2(sum, 0.0);
  }
  workgroupBarrier();
  similarities[thread] = likeness(keys, thread).x;
  workgroupBarrier();
  let first = least_similar(token_count);
  workgroupBarrier();
  for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
    directions[channel].x = key_of(keys, first, channel) * inverse_norms[first];
  }
  workgroupBarrier();
  similarities[thread] = likeness(keys, thread).x;
  workgroupBarrier();
  let second = least_similar(token_count);
  for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
    directions[channel].y = key_of(keys, second, channel) * inverse_norms[second];
  }
  workgroupBarrier();
  for (var round = 0u; round < ROUNDS; round += 1u) {
    let like = likeness(keys, thread);
    is_second[thread] = select(0u, 1u, like.y > like.x);
    workgroupBarrier();
    var square_sum = vec2<f32>(0.0);
    for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
      var sum = vec2<f32>(0.0);
      for (var token = 0u; token < token_count; token += 1u) {
        let part = key_of(keys, token, channel) * inverse_norms[token];
        sum += select(vec2(part, 0.0), vec2(0.0, part), is_second[token] == 1u);
      }
      directions[channel] = sum;
      square_sum += sum * sum;
    }
    square_sums[thread] = square_sum;
    workgroupBarrier();
    var square_total = vec2<f32>(0.0);
    for (var other = 0u; other < BLOCK_TOKENS; other += 1u) {
      square_total += square_sums[other];
    }
    let scale = select(vec2<f32>(0.0), inverseSqrt(square_total), square_total > vec2<f32>(0.0));
    for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
      directions[channel] *= scale;
    }
    workgroupBarrier();
  }
  for (var channel = thread; channel < D; channel += BLOCK_TOKENS) {
    var sum = vec2<f32>(0.0);
    var count = vec2<f32>(0.0);
    for (var token = 0u; token < token_count; token += 1u) {
      let key = key_of(keys, token, channel);
      let mine = select(vec2(1.0, 0.0), vec2(0.0, 1.0), is_second[token] == 1u);
      sum += key * mine;
      count += mine;
    }
    let means = sum / max(count, vec2<f32>(1.0));
    let pair = select(means, means.yx, count == vec2<f32>(0.0));
    summaries[(entry * KV_HEAD_COUNT + workgroup.x) * D + channel] = pack2x16float(pair);
  }
}
