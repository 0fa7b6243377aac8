//: file shaders/finish_heads/head.wgsl
// finish_heads/head: h = norm(heads[row] + shift) * gain for each query and key head, then RoPE;
// queries, times a factor of their position, go to y, keys to the window, and values to the window
// with their shift only, or normed without weights
//
// Source:    RoPE is Su et al. 2021, arXiv:2104.09864, eq. 34; the norm is Zhang & Sennrich 2019,
//            arXiv:1910.07467, eq. 4
// Binds:     src/kernels/finish_heads/head.ts, which appends shaders/lib/head_append.wgsl
// Reference: src/reference/finish_heads.ts
// Grid:      [heads, rows]; HEAD_SIZE / 4 threads have 4 channels each
// Precision: f32; keys and values are rounded to f16 once

override QUERY_HEAD_COUNT: u32;
override NORM_OVER: u32; // root mean square of: 0 nothing, no norm; 1 each head; 2 all of one kind
override EPSILON: f32 = 0.0; // of the norm
override NORMS_VALUES: u32 = 0u; // 1: each value head by its root mean square
override VALUE_EPSILON: f32 = 0.0; // of that norm
override TEMPERATURE_FACTOR: f32 = 0.0; // of the logarithm that queries grow by; 0: they do not
override TEMPERATURE_LENGTH: u32 = 1u; // positions in which they stay alike

override THREAD_COUNT: u32 = HEAD_SIZE / 4u;
override HEAD_COUNT: u32 = QUERY_HEAD_COUNT + 2u * KV_HEAD_COUNT;

@group(0) @binding(0) var<storage, read> heads: array<vec4<f32>>; // [rows, heads, size / 4]
@group(0) @binding(1) var<storage, read> shifts: array<vec4<f32>>; // [heads, size / 4]
@group(0) @binding(2) var<storage, read> gains: array<vec4<f32>>; // [query, key heads, size / 4]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, query heads, size / 4]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>; // [rows, size / 4]: 2 pairs
@group(0) @binding(6) var<storage, read> rows: array<Row>;

var<workgroup> square_by_thread: array<f32, THREAD_COUNT>;

fn shifted(row: u32, at: u32) -> vec4<f32> {
  return heads[row * HEAD_COUNT * THREAD_COUNT + at] + shifts[at];
}

fn sum_of_squares() -> f32 {
  var sum = 0.0;
  for (var other = 0u; other < THREAD_COUNT; other++) {
    sum += square_by_thread[other];
  }
  return sum;
}

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = workgroup_id.x;
  let row = workgroup_id.y;
  let token = rows[row];
  let channel = thread * 4u;
  let at = head * THREAD_COUNT + thread;
  let raw = shifted(row, at);
  if (head >= QUERY_HEAD_COUNT + KV_HEAD_COUNT) {
    var factor = 1.0;
    if (NORMS_VALUES > 0u) {
      square_by_thread[thread] = dot(raw, raw);
      workgroupBarrier();
      factor = inverseSqrt(sum_of_squares() / f32(HEAD_SIZE) + VALUE_EPSILON);
    }
    append_value(token, head - QUERY_HEAD_COUNT - KV_HEAD_COUNT, channel, raw * factor);
    return;
  }
  let is_query = head < QUERY_HEAD_COUNT;
  var square = dot(raw, raw);
  if (NORM_OVER == 2u) {
    let first = select(QUERY_HEAD_COUNT, 0u, is_query);
    let count = select(KV_HEAD_COUNT, QUERY_HEAD_COUNT, is_query);
    square = 0.0;
    for (var other = first; other < first + count; other++) {
      let values = shifted(row, other * THREAD_COUNT + thread);
      square += dot(values, values);
    }
  }
  square_by_thread[thread] = square;
  workgroupBarrier();
  var factor = 1.0;
  if (NORM_OVER > 0u) {
    let sum = sum_of_squares();
    let all_count = select(KV_HEAD_COUNT, QUERY_HEAD_COUNT, is_query);
    let head_count = select(1u, all_count, NORM_OVER == 2u);
    factor = inverseSqrt(sum / f32(head_count * HEAD_SIZE) + EPSILON);
  }
  let values = turned(raw * factor * gains[at], rope[row * THREAD_COUNT + thread]);
  if (is_query) {
    let lengths = f32(token.position / TEMPERATURE_LENGTH + 1u);
    let growth = 1.0 + TEMPERATURE_FACTOR * log(lengths);
    y[row * QUERY_HEAD_COUNT * THREAD_COUNT + at] = growth * values;
  } else {
    append_key(token, head - QUERY_HEAD_COUNT, channel, values);
  }
}
