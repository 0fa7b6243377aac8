//: file shaders/lib/head_append.wgsl
// What becomes of finished heads of a row: RoPE turns the channels 2i and 2i + 1 of queries and
// keys together; keys and values go to the raw tile of the row's token in the window, as f16
// (src/codec/FORMAT.md, raw tiles).

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32; // a multiple of 32, so that 4 neighbouring channels are of one head
override WINDOW_TILE_COUNT: u32;

override TILE_WORDS: u32 = KV_HEAD_COUNT * HEAD_SIZE * BLOCK_TOKENS;

@group(0) @binding(7) var<storage, read_write> window: array<u32>; // [slots, tiles, TILE_WORDS]

fn turned(values: vec4<f32>, turn: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(
    values.x * turn.x - values.y * turn.y,
    values.x * turn.y + values.y * turn.x,
    values.z * turn.z - values.w * turn.w,
    values.z * turn.w + values.w * turn.z,
  );
}

fn tile_start(slot: u32, position: u32) -> u32 {
  let tile = (position / BLOCK_TOKENS) % WINDOW_TILE_COUNT;
  return (slot * WINDOW_TILE_COUNT + tile) * TILE_WORDS;
}

// 4 channels, from `channel`, of a turned key.
fn append_key(token: Row, key_head: u32, channel: u32, key: vec4<f32>) {
  let vector = (key_head * (HEAD_SIZE / 8u) + channel / 8u) * BLOCK_TOKENS +
    (token.position & (BLOCK_TOKENS - 1u));
  let at = tile_start(token.slot, token.position) + vector * 4u + (channel & 7u) / 2u;
  window[at] = pack2x16float(key.xy);
  window[at + 1u] = pack2x16float(key.zw);
}

// 4 channels, from `channel`, of a value.
fn append_value(token: Row, value_head: u32, channel: u32, values: vec4<f32>) {
  let vector = value_head * BLOCK_TOKENS + (token.position & (BLOCK_TOKENS - 1u));
  let side = tile_start(token.slot, token.position) + TILE_WORDS / 2u;
  let at = side + (vector * HEAD_SIZE + channel) / 2u;
  window[at] = pack2x16float(values.xy);
  window[at + 1u] = pack2x16float(values.zw);
}
