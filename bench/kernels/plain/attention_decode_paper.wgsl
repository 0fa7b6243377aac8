// attention_decode/paper, plainly: 64 lanes for one query head and split, a token and then a
// channel each, one value at a time, each found by summing the widths before it.

override D: u32;
override KV_HEAD_COUNT: u32;
override GROUP_SIZE: u32;
override BLOCKS_PER_SPLIT: u32;
override SPLIT_COUNT_MAX: u32;
override PACK_SIZE: u32;
override KEY_BITS: u32;
override VALUE_BITS: u32;

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> arena: array<u32>; // records
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(4) var<storage, read> directory: array<Entry>; // read lists

var<workgroup> scores: array<f32, 64u * BLOCKS_PER_SPLIT>;

fn read_bits(word: u32, bit: u32, count: u32) -> u32 {
  let index = word + bit / 32u;
  let shift = bit % 32u;
  let bits = (arena[index] >> shift) | ((arena[index + 1u] << 1u) << (31u - shift));
  return bits & ((1u << count) - 1u);
}

fn width_bits(bits: u32) -> u32 {
  return 32u - countLeadingZeros(bits);
}

fn width_of(section: u32, bits: u32, pack_row: u32, channel: u32) -> u32 {
  var width = 0u;
  for (var plane = 0u; plane < width_bits(bits); plane++) {
    let word = section + (pack_row * width_bits(bits) + plane) * (D / 32u);
    width |= read_bits(word, channel, 1u) << plane;
  }
  return width;
}

// Bit of the payload where row `pack_row` begins.
fn row_start(section: u32, bits: u32, pack_row: u32) -> u32 {
  var start = 0u;
  for (var index = 0u; index < pack_row * D; index++) {
    start += PACK_SIZE * width_of(section, bits, index / D, index % D);
  }
  return start;
}

fn read_code(section: u32, bits: u32, start: u32, token: u32, channel: u32) -> u32 {
  let pack_row = token / PACK_SIZE;
  let minima = section + (64u / PACK_SIZE) * width_bits(bits) * (D / 32u);
  let payload = minima + (64u / PACK_SIZE) * bits * (D / 32u);
  let width = width_of(section, bits, pack_row, channel);
  let minimum = read_bits(minima, (pack_row * D + channel) * bits, bits);
  return minimum + read_bits(payload, start + token % PACK_SIZE * width, width);
}

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
    let record = directory[row.list_start + first + block].record;
    let section = record + arena[record + kv_head];
    let params = arena[record + 2u * KV_HEAD_COUNT + lane];
    let zero = bitcast<i32>(params) >> 16u;
    var start = row_start(section, KEY_BITS, lane / PACK_SIZE);
    var score = 0.0;
    for (var channel = 0u; channel < D; channel++) {
      let code = i32(read_code(section, KEY_BITS, start, lane, channel));
      score += q[place * D + channel] * f32(code + zero);
      start += PACK_SIZE * width_of(section, KEY_BITS, lane / PACK_SIZE, channel);
    }
    scores[block * 64u + lane] = score * unpack2x16float(params).x * inverseSqrt(f32(D));
  }
  workgroupBarrier();
  var peak = -3.0e38;
  for (var token = 0u; token < count * 64u; token++) {
    peak = max(peak, scores[token]);
  }
  for (var channel = lane; channel < D; channel += 64u) {
    var total = 0.0;
    var sum = 0.0;
    for (var block = 0u; block < count; block++) {
      let record = directory[row.list_start + first + block].record;
      let section = record + arena[record + KV_HEAD_COUNT + kv_head];
      var start = 0u;
      for (var token = 0u; token < 64u; token++) {
        if (token % PACK_SIZE == 0u) {
          start = row_start(section, VALUE_BITS, token / PACK_SIZE);
          for (var before = 0u; before < channel; before++) {
            start += PACK_SIZE * width_of(section, VALUE_BITS, token / PACK_SIZE, before);
          }
        }
        let params = arena[record + 2u * KV_HEAD_COUNT + 64u + token];
        let code = i32(read_code(section, VALUE_BITS, start, token, channel));
        let weight = exp(scores[block * 64u + token] - peak);
        total += weight;
        sum += weight * unpack2x16float(params).x * f32(code + (bitcast<i32>(params) >> 16u));
      }
    }
    let partial = (place * SPLIT_COUNT_MAX + workgroup.y) * (D + 2u);
    partials[partial] = peak;
    partials[partial + 1u] = total;
    partials[partial + 2u + channel] = sum;
  }
}
