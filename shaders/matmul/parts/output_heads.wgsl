// Outputs are the query heads, then the key heads, then the value heads of the row. RoPE turns the
// channels 2i and 2i + 1 of query and key heads together; keys and values go to the raw tile of the
// row's token in the window, as f16 (src/codec/FORMAT.md, raw tiles).

override QUERY_HEAD_COUNT: u32;
override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // a multiple of 32, so a lane's 4 outputs are of one head
override WINDOW_TILE_COUNT: u32;

override TILE_WORDS: u32 = KV_HEAD_COUNT * HEAD_SIZE * 64u;

@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, query channels / 4]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>; // [rows, size / 4]: 2 pairs
@group(0) @binding(6) var<storage, read> rows: array<vec4<u32>>; // slot, position, ...
@group(0) @binding(7) var<storage, read_write> window: array<u32>; // [slots, tiles, TILE_WORDS]

const PADDING_SLOT = 0xffffffffu; // of rows that only fill up a tile

fn turned(values: vec4<f32>, turn: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(
    values.x * turn.x - values.y * turn.y,
    values.x * turn.y + values.y * turn.x,
    values.z * turn.z - values.w * turn.w,
    values.z * turn.w + values.w * turn.z,
  );
}

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let token = rows[row];
  let head = output / HEAD_SIZE;
  let channel = output - head * HEAD_SIZE;
  if (token.x == PADDING_SLOT || head >= QUERY_HEAD_COUNT + 2u * KV_HEAD_COUNT) {
    return;
  }
  let turn = rope[(row * HEAD_SIZE + channel) / 4u];
  if (head < QUERY_HEAD_COUNT) {
    y[(row * QUERY_HEAD_COUNT * HEAD_SIZE + output) / 4u] = turned(values, turn);
    return;
  }
  let tile = (token.y / 64u) & (WINDOW_TILE_COUNT - 1u);
  let tile_start = (token.x * WINDOW_TILE_COUNT + tile) * TILE_WORDS;
  let tile_row = token.y & 63u;
  if (head < QUERY_HEAD_COUNT + KV_HEAD_COUNT) {
    let key_head = head - QUERY_HEAD_COUNT;
    let key = turned(values, turn);
    let vector = (key_head * (HEAD_SIZE / 8u) + channel / 8u) * 64u + tile_row;
    let at = tile_start + vector * 4u + (channel & 7u) / 2u;
    window[at] = pack2x16float(key.xy);
    window[at + 1u] = pack2x16float(key.zw);
  } else {
    let value_head = head - QUERY_HEAD_COUNT - KV_HEAD_COUNT;
    let vector = value_head * 64u + tile_row;
    let at = tile_start + TILE_WORDS / 2u + (vector * HEAD_SIZE + channel) / 2u;
    window[at] = pack2x16float(values.xy);
    window[at + 1u] = pack2x16float(values.zw);
  }
}
