//: file shaders/matmul/rows.wgsl
// matmul/rows: y[row, o] = sum over i of weight[o, i] * x[row, i], for a weight that stays
// quantised, with an optional RMSNorm of x before it and one of several things done with the result
//
// Source:    the norm is Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4
// Binds:     src/kernels/matmul/rows.ts, which appends texts of matmul/parts and lib:
//            product           what one workgroup sums, for rows of x: SET_COUNT sets, 1 or 2, of
//                              TOKEN_COUNT, 1, 2 or 4
//            weight_*          the format of the weight, expanded in registers
//            by_*              which lanes load what, and how their sums are added
//            norm_*            with the norm, or without
//            output_*          what is done with y
// Reference: src/reference/matmul.ts
// Grid:      [groups of 32 outputs, tiles of rows of x], or the other way round
// Precision: f32 throughout; each block of 32 columns is summed before it is scaled
//
// Markers: token (rows of x of a set), set.

override OUTPUT_COUNT: u32; // rows of the whole weight
override OUTPUT_START: u32 = 0u; // first row of the part of the weight that is bound

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row${set} = (tile_of(workgroup_id) * SET_COUNT + ${set}u) * TOKEN_COUNT;
  let group = group_of(workgroup_id);
  let made = product(
    group,
    //: repeat set
    row${set} + vec4<u32>(0u, 1u, 2u, 3u),
    //: end
    thread,
  );
  if (thread >= LANE_COUNT) {
    return; // only the first 8 lanes have the sums
  }
  let output = OUTPUT_START + group * 32u + thread * 4u;
  put_outputs(row${set} + ${token}u, output, outputs_of(made.set${set}, ${token}u));
}
