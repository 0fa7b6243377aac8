// rms_norm: y[row, i] = x[row, i] * weight[i] / sqrt(mean(x[row, :]^2) + epsilon)
//
// Source:    Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4
// Binds:     src/kernels/rms_norm.ts
// Reference: src/reference/rms_norm.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over the columns
// Precision: f32 in, f32 accumulate, f32 out

override WORKGROUP_SIZE: u32 = 32u; // power of two
override COLUMN_COUNT: u32; // elements per row
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, columns]
@group(0) @binding(1) var<storage, read> weight: array<f32>; // [columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [rows, columns]

var<workgroup> partial_sums: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row_start = workgroup_id.x * COLUMN_COUNT;
  var sum = 0.0;
  for (var column = lane; column < COLUMN_COUNT; column += WORKGROUP_SIZE) {
    let value = x[row_start + column];
    sum += value * value;
  }
  partial_sums[lane] = sum;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      partial_sums[lane] += partial_sums[lane + stride];
    }
    workgroupBarrier();
  }
  let factor = inverseSqrt(partial_sums[0] / f32(COLUMN_COUNT) + EPSILON);
  for (var column = lane; column < COLUMN_COUNT; column += WORKGROUP_SIZE) {
    y[row_start + column] = x[row_start + column] * factor * weight[column];
  }
}
