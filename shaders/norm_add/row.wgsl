//: file shaders/norm_add/row.wgsl
// norm_add/row: x[row, :] += weight * given[row, :] / sqrt(mean(given[row, :]^2) + EPSILON): the
// residual connection of layers that norm what they give; then x[row, :] *= factor, if there is one
//
// Source:    the norm is Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4
// Binds:     src/kernels/norm_add/row.ts
// Reference: src/reference/norm_add.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over the columns, 4 at a time
// Precision: f32
//
// Markers: has_factor: if the sum is multiplied.

override WORKGROUP_SIZE: u32 = 64u; // power of two
override COLUMN_COUNT: u32; // a multiple of 4
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> given: array<vec4<f32>>; // [rows, columns / 4]
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>; // [columns / 4]
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // [rows, columns / 4]
//: if has_factor
@group(0) @binding(3) var<storage, read> factors: array<f32>; // [1]
//: end

var<workgroup> squares: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let start = workgroup_id.x * (COLUMN_COUNT / 4u);
  var square = 0.0;
  for (var at = thread; at < COLUMN_COUNT / 4u; at += WORKGROUP_SIZE) {
    let values = given[start + at];
    square += dot(values, values);
  }
  squares[thread] = square;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      squares[thread] += squares[thread + stride];
    }
    workgroupBarrier();
  }
  let scale = inverseSqrt(squares[0] / f32(COLUMN_COUNT) + EPSILON);
  for (var at = thread; at < COLUMN_COUNT / 4u; at += WORKGROUP_SIZE) {
    x[start + at] += given[start + at] * scale * weight[at];
    //: if has_factor
    x[start + at] *= factors[0];
    //: end
  }
}
