//: file shaders/expert_matmul/tile.wgsl
// expert_matmul/tile: what expert_matmul/rows makes, for the rows of a slice: a weight is expanded
// once for up to 16 visits of an expert
//
// Source:    Shazeer et al. 2017, arXiv:1701.06538; the norm is arXiv:1910.07467, eq. 4
// Binds:     src/kernels/expert_matmul/tile.ts, which appends the weight's format of shaders/lib.
//            src/kernels/expert_matmul/product.ts appends shaders/lib/expert_bundle.wgsl and
//            norm_*            of shaders/matmul/parts: with the norm, or without
//            output_*          of the same: what is done with y
//            parts/bias_*      with biases of each expert, or without
// Reference: src/reference/expert_matmul.ts
// Grid:      [bundles, fours of groups of 32 outputs of one expert]
// Precision: f32 throughout; each weight is rounded once when it is expanded
//
// Few rows of a slice go through an expert, so weights are expanded in registers, where all that
// 4 outputs have in common is made once for 128 of them, and only x lies in workgroup memory, where
// all threads of a slice read the same place. Four slices of 32 threads take turns at the blocks of
// columns; a thread makes 4 outputs of all rows: 64 multiply-adds for 4 loads of 16 bytes. Rows are
// left out by fours where a bundle has fewer visits.
//
// An output's sum over the blocks of a slice is made in the order of their columns, then the four
// slices are added: a visit has the same bits in any bundle.
//
// Markers: load (parts of x that a thread loads of a step), four (of rows), row (of a four), output
// (of the 4 of a thread), half (of a block's 8 parts), quarter (of a half).

override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override EPSILON: f32 = 0.0; // of the norm
override OUTPUT_COUNT: u32; // rows of one expert; a multiple of 32
override EXPERT_START: u32 = 0u; // first expert of the part of the weight that is bound
override EXPERT_COUNT: u32; // experts of that part
override VISITS_PER_ROW: u32; // of x: as many as a row has experts, or 1

const THREAD_COUNT = 128u;
const SLICE_COUNT = 4u;
const ROW_COUNT = 16u; // of a tile
override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;
override GROUP_COUNT: u32 = OUTPUT_COUNT / 32u;

// weights and scales: [outputs / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>; // of quantised formats
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [rows or visits, columns / 4]
@group(0) @binding(5) var<storage, read> bundles: array<Bundle>;

// Of a row: x of a block for each slice, 8 parts of 4 columns each; in the end squares, then quads
// of outputs. With a structure an index is checked once for all rows.
struct TileRow {
  parts: array<vec4<f32>, 32>,
}

var<workgroup> tile: array<TileRow, ROW_COUNT>;
var<workgroup> factors: array<f32, ROW_COUNT>; // of the norm

alias Tokens = f32; // of the norm

fn visit_of(bundle: u32, index: u32) -> u32 {
  return bundles[bundle].visits[index / 4u][index & 3u];
}

fn add_product(before: f32, weight: vec4<f32>, input: vec4<f32>) -> f32 {
  let early = fma(weight.y, input.y, fma(weight.x, input.x, before));
  return fma(weight.w, input.w, fma(weight.z, input.z, early));
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
  let slice = thread / 32u;
  let place = thread & 31u; // of 4 outputs, and of what is loaded of a row of x
  let lane = place & 7u; // of the group
  let first_group = workgroup_id.y * 4u;
  let own_group = min(first_group + place / 8u, GROUP_COUNT - 1u);
  let start = (in_part * GROUP_COUNT + own_group) * BLOCK_COUNT;

  var squares${load} = 0.0;
  var sum${four}_${row}_${output} = 0.0;
  for (var first = 0u; first < BLOCK_COUNT; first += SLICE_COUNT) {
    workgroupBarrier(); // every thread has read the x of the step before
    //: repeat load
    if (${load}u * 4u + slice < count && first + place / 8u < BLOCK_COUNT) {
      let row = visit_of(bundle, ${load}u * 4u + slice) / VISITS_PER_ROW;
      let raw = x[(row * BLOCK_COUNT + first) * 8u + place];
      squares${load} += dot(raw, raw);
      tile[${load}u * 4u + slice].parts[place] = raw * norm_weight_at(first * 8u + place);
    }
    //: end
    workgroupBarrier();
    let block = first + slice;
    if (block < BLOCK_COUNT) {
      let side = load_shared(start + block, lane);
      let packed${output} = load_weights(start + block, ${output}u, lane, side);
      let of_block = load_scales(start + block, lane);
      for (var part = 0u; part < 8u; part++) {
        var weight${output} = vec4<f32>(0.0);
        //: repeat half
        if (part / 4u == ${half}u) {
          //: repeat quarter
          if (part == 4u * ${half}u + ${quarter}u) {
            weight${output} = fma(
              weight_columns(packed${output}, 4u * ${half}u + ${quarter}u),
              vec4<f32>(of_block.scale[${output}u]),
              vec4<f32>(of_block.minimum[${output}u]),
            );
          }
          //: end
        }
        //: end
        //: repeat four
        if (${four}u * 4u < count) {
          //: repeat row
          let input${row} = tile[${four}u * 4u + ${row}u].parts[slice * 8u + part];
          sum${four}_${row}_${output} =
            add_product(sum${four}_${row}_${output}, weight${output}, input${row});
          //: end
        }
        //: end
      }
    }
  }

  // Factors of the norm, from the squares of the parts of each row.
  workgroupBarrier();
  tile[${load}u * 4u + slice].parts[place] = vec4<f32>(squares${load});
  workgroupBarrier();
  if (thread < ROW_COUNT) {
    var squares = 0.0;
    for (var part = 0u; part < 32u; part++) {
      squares += tile[thread].parts[part].x;
    }
    factors[thread] = norm_factor(squares);
  }

  for (var other = 0u; other < SLICE_COUNT; other++) {
    workgroupBarrier(); // what the tile held has been read, or the slice before has been added
    if (slice == other) {
      //: repeat four
      //: repeat row
      {
        let sums = vec4<f32>(
          //: repeat output
          sum${four}_${row}_${output},
          //: end
        );
        let before = tile[${four}u * 4u + ${row}u].parts[place];
        tile[${four}u * 4u + ${row}u].parts[place] = select(before + sums, sums, other == 0u);
      }
      //: end
      //: end
    }
  }
  workgroupBarrier();
  let output = (first_group * 8u + place) * 4u;
  if (output >= OUTPUT_COUNT) {
    return;
  }
  for (var row = slice; row < count; row += SLICE_COUNT) {
    let outputs = tile[row].parts[place] * factors[row];
    put_outputs(visit_of(bundle, row), output, outputs + bias_at(expert, output));
  }
}
