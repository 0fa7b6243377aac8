//: file shaders/expert_matmul/rows.wgsl
// expert_matmul/rows: y[entry, o] = sum over i of weight[expert, o, i] * x[row, i], for the expert
// and the row of each entry: only experts that an entry names are read
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538; the norm is arXiv:1910.07467, eq. 4
// Binds:     src/kernels/expert_matmul/rows.ts, which appends the texts that
//            shaders/matmul/rows.wgsl names, shaders/lib/expert_tile.wgsl, and
//            parts/bias_*      with biases of each expert, or without
// Reference: src/reference/expert_matmul.ts
// Grid:      [groups of 32 outputs of one expert, tiles]
// Precision: as shaders/matmul/parts/product.wgsl: an entry has the same bits in any tile
//
// Markers: token = entries of a tile.

override OUTPUT_COUNT: u32; // rows of one expert; a multiple of 32
override EXPERT_START: u32 = 0u; // first expert of the part of the weight that is bound
override EXPERT_COUNT: u32; // experts of that part
override ENTRIES_PER_ROW: u32; // of x: as many as a row has experts, or 1

@group(0) @binding(5) var<storage, read> tiles: array<Tile>;

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = tiles[workgroup_id.y];
  let expert = tile.expert - EXPERT_START; // huge if it is of an earlier part
  if (tile.count == 0u || expert >= EXPERT_COUNT) {
    return;
  }
  let group = expert * (OUTPUT_COUNT / 32u) + workgroup_id.x;
  let made = product(group, tile.entries / vec4<u32>(ENTRIES_PER_ROW), thread);
  if (thread >= LANE_COUNT) {
    return; // only the first 8 lanes have the sums
  }
  let output = workgroup_id.x * 32u + thread * 4u;
  let bias = bias_at(tile.expert, output);
  //: repeat token
  if (${token}u < tile.count) {
    put_outputs(tile.entries[${token}], output, outputs_of(made, ${token}u) + bias);
  }
  //: end
}
