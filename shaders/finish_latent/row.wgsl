//: file shaders/finish_latent/row.wgsl
// finish_latent/row: queries of latents, and the latent itself, from the products they are made of
//   q[row, head] = SCALE * (turned part of the head, absorbed part, zeros)
//   latent[row]  = (RoPE of the turned key, norm(latent) * gain, zeros)
// Both have 2 * HEAD_SIZE channels. The first half of the latent is appended to the window as a
// key, the second as a value.
//
// Source:    DeepSeek-V2, arXiv:2405.04434, section 2.1 and appendix C, in absorbed form; RoPE is
//            arXiv:2104.09864, eq. 34; the norm is arXiv:1910.07467, eq. 4
// Binds:     src/kernels/finish_latent/row.ts, which appends shaders/lib/head_append.wgsl
// Reference: src/reference/finish_latent.ts
// Grid:      [query heads, and 1 for the latent if the layer makes it, rows]; 64 threads take
//            4 channels each in turn
// Precision: f32; the latent is rounded to f16 once

override QUERY_HEAD_COUNT: u32;
override RANK: u32; // channels of the latent without the turned key; a multiple of 4
override TURNED_SIZE: u32; // channels that are turned, at most HEAD_SIZE; a multiple of 4
override SCALE: f32;
override EPSILON: f32;

const THREAD_COUNT = 64u;
override TURNED_QUADS: u32 = TURNED_SIZE / 4u;
override RANK_QUADS: u32 = RANK / 4u;
override QUAD_COUNT: u32 = HEAD_SIZE / 2u; // of a query

@group(0) @binding(0) var<storage, read> absorbed: array<vec4<f32>>; // [rows, heads, RANK / 4]
@group(0) @binding(1) var<storage, read> turned_parts: array<vec4<f32>>; // [rows, heads, quads]
@group(0) @binding(2) var<storage, read> latents: array<vec4<f32>>; // [rows, RANK / 4 + quads]
@group(0) @binding(3) var<storage, read> gains: array<vec4<f32>>; // [RANK / 4]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, heads, HEAD_SIZE / 2]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>; // [rows, HEAD_SIZE / 4]: 2 pairs
@group(0) @binding(6) var<storage, read> rows: array<Row>;

var<workgroup> square_by_thread: array<f32, THREAD_COUNT>;

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = workgroup_id.x;
  let row = workgroup_id.y;
  let place = row * QUERY_HEAD_COUNT + head;
  if (head < QUERY_HEAD_COUNT) {
    for (var quad = thread; quad < QUAD_COUNT; quad += THREAD_COUNT) {
      var values = vec4<f32>(0.0);
      if (quad < TURNED_QUADS) {
        values = turned(turned_parts[place * TURNED_QUADS + quad], turn_of(row, quad));
      } else if (quad - TURNED_QUADS < RANK_QUADS) {
        values = absorbed[place * RANK_QUADS + quad - TURNED_QUADS];
      }
      y[place * QUAD_COUNT + quad] = SCALE * values;
    }
    return;
  }
  let start = row * (RANK_QUADS + TURNED_QUADS);
  var square = 0.0;
  for (var quad = thread; quad < RANK_QUADS; quad += THREAD_COUNT) {
    square += dot(latents[start + quad], latents[start + quad]);
  }
  square_by_thread[thread] = square;
  workgroupBarrier();
  var sum = 0.0;
  for (var other = 0u; other < THREAD_COUNT; other++) {
    sum += square_by_thread[other];
  }
  let factor = inverseSqrt(sum / f32(RANK) + EPSILON);
  for (var quad = thread; quad < QUAD_COUNT; quad += THREAD_COUNT) {
    var values = vec4<f32>(0.0);
    if (quad < TURNED_QUADS) {
      values = turned(latents[start + RANK_QUADS + quad], turn_of(row, quad));
    } else if (quad - TURNED_QUADS < RANK_QUADS) {
      let source = quad - TURNED_QUADS;
      values = latents[start + source] * factor * gains[source];
    }
    let channel = quad * 4u;
    if (channel < HEAD_SIZE) {
      append_key(rows[row], 0u, channel, values);
    } else {
      append_value(rows[row], 0u, channel - HEAD_SIZE, values);
    }
  }
}

fn turn_of(row: u32, quad: u32) -> vec4<f32> {
  return rope[row * (HEAD_SIZE / 4u) + quad];
}
