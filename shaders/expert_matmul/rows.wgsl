//: file shaders/expert_matmul/rows.wgsl
// expert_matmul/rows: y[visit, o] = sum over i of weight[expert, o, i] * x[row, i], for the expert
// and the row of each visit: only experts that a visit names are read
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538; the norm is arXiv:1910.07467, eq. 4
// Binds:     src/kernels/expert_matmul/rows.ts and product.ts, which append the texts that
//            shaders/matmul/rows.wgsl names; product.ts shaders/lib/expert_bundle.wgsl too, and
//            parts/bias_*      with biases of each expert, or without
// Reference: src/reference/expert_matmul.ts
// Grid:      [groups of 32 outputs of one expert, bundles], or the other way round
// Precision: as shaders/matmul/parts/product.wgsl: a visit has the same bits in any bundle
//
// Markers: token = visits of a bundle.

override OUTPUT_COUNT: u32; // rows of one expert; a multiple of 32
override EXPERT_START: u32 = 0u; // first expert of the part of the weight that is bound
override EXPERT_COUNT: u32; // experts of that part
override VISITS_PER_ROW: u32; // of x: as many as a row has experts, or 1

@group(0) @binding(5) var<storage, read> bundles: array<Bundle>;

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let at = tile_of(workgroup_id);
  let count = bundles[at].count;
  let expert = bundles[at].expert;
  let in_part = expert - EXPERT_START; // huge if it is of an earlier part
  if (count == 0u || in_part >= EXPERT_COUNT) {
    return;
  }
  let group = group_of(workgroup_id);
  let visits = bundles[at].visits[0];
  let rows = visits / vec4<u32>(VISITS_PER_ROW);
  let made = product(in_part * (OUTPUT_COUNT / 32u) + group, rows, thread);
  if (thread >= LANE_COUNT) {
    return; // only the first 8 lanes have the sums
  }
  let output = group * 32u + thread * 4u;
  let bias = bias_at(expert, output);
  //: repeat token
  if (${token}u < count) {
    put_outputs(visits[${token}], output, outputs_of(made.set0, ${token}u) + bias);
  }
  //: end
}
