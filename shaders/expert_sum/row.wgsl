//: file shaders/expert_sum/row.wgsl
// expert_sum/row: x[row, :] += FACTOR * sum over ranks of shares[row, rank] * given[row, rank, :]:
// the residual connection of a layer whose feed-forward part is experts
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538, eq. 1
// Binds:     src/kernels/expert_sum/row.ts
// Reference: src/reference/expert_sum.ts
// Grid:      [groups of 4 * 64 columns, rows]; a thread has 4 columns
// Precision: f32, in the order of the ranks

override COLUMN_COUNT: u32; // a multiple of 4
override USED_COUNT: u32; // experts of a row
override FACTOR: f32 = 1.0;

@group(0) @binding(0) var<storage, read> given: array<vec4<f32>>; // [rows, used, columns / 4]
@group(0) @binding(1) var<storage, read> shares: array<f32>; // [rows, used]
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // [rows, columns / 4]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroup_id.y;
  let at = workgroup_id.x * 64u + thread;
  if (at >= COLUMN_COUNT / 4u) {
    return;
  }
  var sum = vec4<f32>(0.0);
  for (var rank = 0u; rank < USED_COUNT; rank++) {
    let visit = row * USED_COUNT + rank;
    sum += shares[visit] * given[visit * (COLUMN_COUNT / 4u) + at];
  }
  x[row * (COLUMN_COUNT / 4u) + at] += FACTOR * sum;
}
