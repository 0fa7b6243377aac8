//: file shaders/matmul/parts/output_heads.wgsl
// Outputs are the query heads, then the key heads, then the value heads of the row. Queries go to
// y, keys and values to the window, as shaders/lib/head_append.wgsl says, which is appended.

override QUERY_HEAD_COUNT: u32;

@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, query channels / 4]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>; // [rows, size / 4]: 2 pairs
@group(0) @binding(6) var<storage, read> rows: array<Row>;

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let token = rows[row];
  let head = output / HEAD_SIZE;
  let channel = output - head * HEAD_SIZE;
  if (token.slot == PADDING_SLOT || head >= QUERY_HEAD_COUNT + 2u * KV_HEAD_COUNT) {
    return;
  }
  let turn = rope[(row * HEAD_SIZE + channel) / 4u];
  if (head < QUERY_HEAD_COUNT) {
    y[(row * QUERY_HEAD_COUNT * HEAD_SIZE + output) / 4u] = turned(values, turn);
  } else if (head < QUERY_HEAD_COUNT + KV_HEAD_COUNT) {
    append_key(token, head - QUERY_HEAD_COUNT, channel, turned(values, turn));
  } else {
    append_value(token, head - QUERY_HEAD_COUNT - KV_HEAD_COUNT, channel, values);
  }
}
