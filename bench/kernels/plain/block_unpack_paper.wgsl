// block_unpack, plainly: one lane per pair of f16 values of a tile, each value found by summing the
// widths before it and read by its bits.

override D: u32;
override KV_HEAD_COUNT: u32;
override PACK_SIZE: u32;
override KEY_BITS: u32;
override VALUE_BITS: u32;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
@group(0) @binding(3) var<storage, read_write> tiles: array<u32>; // raw tiles

fn read_bits(word: u32, bit: u32, count: u32) -> u32 {
  let index = word + bit / 32u;
  let shift = bit % 32u;
  let bits = (arena[index] >> shift) | ((arena[index + 1u] << 1u) << (31u - shift));
  return bits & ((1u << count) - 1u);
}

fn width_of(section: u32, width_bits: u32, place: u32) -> u32 {
  var width = 0u;
  for (var plane = 0u; plane < width_bits; plane++) {
    let word = section + (place / D * width_bits + plane) * (D / 32u);
    width |= read_bits(word, place % D, 1u) << plane;
  }
  return width;
}

fn read_value(record: u32, side: u32, kv_head: u32, token: u32, channel: u32) -> f32 {
  let section = record + arena[record + side * KV_HEAD_COUNT + kv_head];
  let bits = select(KEY_BITS, VALUE_BITS, side == 1u);
  let width_bits = 32u - countLeadingZeros(bits);
  let minima = section + (64u / PACK_SIZE) * width_bits * (D / 32u);
  let payload = minima + (64u / PACK_SIZE) * bits * (D / 32u);
  let place = token / PACK_SIZE * D + channel;
  var start = 0u;
  for (var before = 0u; before < place; before++) {
    start += PACK_SIZE * width_of(section, width_bits, before);
  }
  let width = width_of(section, width_bits, place);
  let code = read_bits(minima, place * bits, bits) +
    read_bits(payload, start + token % PACK_SIZE * width, width);
  let params = arena[record + 2u * KV_HEAD_COUNT + side * 64u + token];
  return f32(i32(code) + (bitcast<i32>(params) >> 16u)) * unpack2x16float(params).x;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { // word of a tile, block
  let side = id.x / (KV_HEAD_COUNT * D * 32u);
  let half = id.x % (KV_HEAD_COUNT * D * 32u) * 2u;
  let kv_head = half / (64u * D);
  let within = half % (64u * D);
  let key_channel = within / 512u * 8u + within % 8u;
  let channel = select(key_channel, within % D, side == 1u);
  let token = select(within / 8u % 64u, within / D, side == 1u);
  let record = directory[rows[0].list_start + id.y].record;
  let low = read_value(record, side, kv_head, token, channel);
  let high = read_value(record, side, kv_head, token, channel + 1u);
  tiles[id.y * (KV_HEAD_COUNT * D * 64u) + id.x] = pack2x16float(vec2<f32>(low, high));
}
