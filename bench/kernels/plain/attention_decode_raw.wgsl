// attention_decode/raw, plainly: 64 lanes for one query head and split, a token and then a channel
// each, one value at a time. Keys and values are read again for each query head of a group.

override D: u32;
override KV_HEAD_COUNT: u32;
override GROUP_SIZE: u32;
override BLOCKS_PER_SPLIT: u32;
override SPLIT_COUNT_MAX: u32;

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>; // raw tiles
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists

var<workgroup> scores: array<f32, 64u * BLOCKS_PER_SPLIT>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, // query head, split, row
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup.z];
  let place = workgroup.z * KV_HEAD_COUNT * GROUP_SIZE + workgroup.x;
  let kv_head = workgroup.x / GROUP_SIZE;
  let first = workgroup.y * BLOCKS_PER_SPLIT;
  let count = min(BLOCKS_PER_SPLIT, row.list_count - min(first, row.list_count));
  for (var block = 0u; block < count; block++) {
    let tile = directory[row.list_start + first + block].record;
    var score = 0.0;
    for (var channel = 0u; channel < D; channel++) {
      let half = ((kv_head * (D / 8u) + channel / 8u) * 64u + lane) * 8u + channel % 8u;
      score += q[place * D + channel] * unpack2x16float(tiles[tile + half / 2u])[half % 2u];
    }
    scores[block * 64u + lane] = score * inverseSqrt(f32(D));
  }
  workgroupBarrier();
  var peak = -3.0e38;
  for (var token = 0u; token < count * 64u; token++) {
    peak = max(peak, scores[token]);
  }
  for (var channel = lane; channel < D; channel += 64u) {
    var total = 0.0;
    var sum = 0.0;
    for (var token = 0u; token < count * 64u; token++) {
      let tile = directory[row.list_start + first + token / 64u].record;
      let half = KV_HEAD_COUNT * D * 64u + (kv_head * 64u + token % 64u) * D + channel;
      let weight = exp(scores[token] - peak);
      total += weight;
      sum += weight * unpack2x16float(tiles[tile + half / 2u])[half % 2u];
    }
    let partial = (place * SPLIT_COUNT_MAX + workgroup.y) * (D + 2u);
    partials[partial] = peak;
    partials[partial + 1u] = total;
    partials[partial + 2u + channel] = sum;
  }
}
