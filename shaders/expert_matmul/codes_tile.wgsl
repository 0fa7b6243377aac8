//: file shaders/expert_matmul/codes_tile.wgsl
// expert_matmul/codes_tile: what expert_matmul/rows makes with shaders/matmul/parts/by_codes.wgsl,
// for the rows of a slice: codes of a weight are put together once for up to 16 visits of an expert
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538
// Binds:     src/kernels/expert_matmul/codes_tile.ts, which appends the weight's format of
//            shaders/lib and of shaders/matmul/parts
//            codes_tile        what one workgroup sums
//            dot_*             how four bytes are multiplied
//            src/kernels/expert_matmul/product.ts appends shaders/lib/expert_bundle.wgsl and
//            norm_none         of the same: the norm is in the scales of x
//            output_*          likewise: what is done with y
//            parts/bias_*      with biases of each expert, or without
// Reference: src/reference/expert_matmul.ts
// Grid:      [bundles, pairs of groups of 32 outputs of one expert]
// Precision: integers are exact; a block of 32 columns is scaled once, in f32
//
// Threads of visits that a bundle does not have put weights in the tile and multiply nothing.

override OUTPUT_COUNT: u32; // rows of one expert; a multiple of 32
override EXPERT_START: u32 = 0u; // first expert of the part of the weight that is bound
override EXPERT_COUNT: u32; // experts of that part
override VISITS_PER_ROW: u32; // of x: as many as a row has experts, or 1
override GROUP_COUNT: u32 = OUTPUT_COUNT / 32u;

@group(0) @binding(5) var<storage, read> bundles: array<Bundle>;

// Where the tile's rows and outputs are.
struct Place {
  bundle: u32,
  visit_count: u32, // 1 to 16
  expert: u32, // of the part
  group: u32,
}

fn group_block(place: Place, group: u32, block: u32) -> u32 {
  let of_expert = min(place.group + group, GROUP_COUNT - 1u);
  return (place.expert * GROUP_COUNT + of_expert) * BLOCK_COUNT + block;
}

fn visit_of(bundle: u32, index: u32) -> u32 {
  return bundles[bundle].visits[index / 4u][index & 3u];
}

fn x_block(place: Place, row: u32, block: u32) -> u32 {
  let visit = visit_of(place.bundle, min(row, place.visit_count - 1u));
  return visit / VISITS_PER_ROW * BLOCK_COUNT + block;
}

fn has_rows(place: Place, column: u32) -> bool {
  return column < place.visit_count;
}

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let bundle = workgroup_id.x;
  let count = bundles[bundle].count;
  let expert = bundles[bundle].expert;
  let in_part = expert - EXPERT_START; // huge if it is of an earlier part
  if (count == 0u || in_part >= EXPERT_COUNT) {
    return;
  }
  let place = Place(bundle, count, in_part, workgroup_id.y * 2u);
  let made = sum_tile(place, thread);
  let quad = thread & 15u;
  let column = thread >> 4u;
  let group = place.group + quad / 8u;
  if (column >= count || group >= GROUP_COUNT) {
    return;
  }
  let output = group * 32u + (quad & 7u) * 4u;
  put_outputs(visit_of(bundle, column), output, made.token0 + bias_at(expert, output));
}
