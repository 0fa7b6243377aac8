//: file shaders/matmul/tile.wgsl
// matmul/tile: what matmul/rows makes, for the many rows of a slice: a weight is expanded once for
// TOKEN_COUNT rows of x
//
// Source:    tiles in shared memory and registers as in CUTLASS; the norm: arXiv:1910.07467, eq. 4
// Binds:     src/kernels/matmul/tile.ts, which appends texts of matmul/parts and lib:
//            weight_*          the format of the weight
//            scale_of_outputs  of formats that load the scales of 4 outputs at once
//            norm_*            with the norm, or without
//            output_*          what is done with y
// Reference: src/reference/matmul.ts
// Grid:      [tiles of TOKEN_COUNT rows of x, pairs of groups of 32 outputs]
// Precision: f32 throughout; each weight is rounded once when it is expanded
//
// Four slices of 64 threads share the columns of each block: slice s has the parts 2s and 2s + 1 of
// 4 columns. A thread makes 8 outputs for every eighth row: 256 multiply-adds for 16 loads of 16
// bytes from workgroup memory. An output's sum over the columns of a slice is made in their order,
// then the four slices are added: the same bits for any TOKEN_COUNT and in any batch.
//
// Part p of a row of a tile lies where `swizzle` says, so that neither the 8 threads that write nor
// those that read together meet in a bank.
//
// Markers: token (rows of x of a thread), load (parts of x that a thread loads of a block), item
// (quads of outputs that a thread puts), output (of a quad), quad (of a thread), part (of a block).

override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override EPSILON: f32 = 0.0; // of the norm
override OUTPUT_COUNT: u32; // rows of the whole weight
override OUTPUT_START: u32 = 0u; // first row of the part of the weight that is bound
override GROUP_COUNT: u32; // groups of 32 rows of that part

const THREAD_COUNT = 256u;
const SLICE_COUNT = 4u;
override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;

// weights and scales: [outputs / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>; // of quantised formats
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [rows, columns / 4]

// 64 rows of weights, then TOKEN_COUNT rows of x, of 8 parts each; at the end, the outputs.
const X_TILE = 512u;
var<workgroup> tile: array<vec4<f32>, X_TILE + 8u * TOKEN_COUNT>;

alias Tokens = f32; // of the norm

fn swizzle(lane: u32, output: u32) -> u32 {
  return (lane + 2u * output) & 7u;
}

fn add_product(before: f32, weight: vec4<f32>, input: vec4<f32>) -> f32 {
  let early = fma(weight.y, input.y, fma(weight.x, input.x, before));
  return fma(weight.w, input.w, fma(weight.z, input.z, early));
}

// Puts the parts of a slice of one row of weights into the tile.
fn expand(group: u32, block: u32, slice: u32, place: u32) {
  let at = min(group, GROUP_COUNT - 1u) * BLOCK_COUNT + block;
  let lane = (place & 31u) >> 2u;
  let output = place & 3u;
  let side = load_shared(at, lane);
  let packed = load_weights(at, output, lane, side);
  let of_output = load_scale(at, lane, output);
  let scale = vec4<f32>(of_output.x);
  let minimum = vec4<f32>(of_output.y);
  let turn = swizzle(place >> 2u, output);
  //: repeat part
  if (slice == ${part}u / 2u) {
    tile[place * 8u + (${part}u ^ turn)] = fma(weight_columns(packed, ${part}u), scale, minimum);
  }
  //: end
}

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let slice = thread / 64u;
  let place = thread & 63u;
  let lane = place >> 3u; // of the weights' groups: it has 4 outputs of each
  let column = place & 7u; // of the tile: it has every eighth row of x
  let first_row = workgroup_id.x * TOKEN_COUNT;
  let row_count = arrayLength(&x) / (8u * BLOCK_COUNT);
  let first_group = workgroup_id.y * 2u;

  var squares${load} = 0.0;
  var sum${token}_${quad}_${output} = 0.0;
  for (var block = 0u; block < BLOCK_COUNT; block++) {
    workgroupBarrier(); // every thread has read the tile of the block before
    expand(first_group + place / 32u, block, slice, place);
    //: repeat load
    {
      let item = thread + ${load}u * THREAD_COUNT;
      if (item < 8u * TOKEN_COUNT) {
        let row = min(first_row + (item >> 3u), row_count - 1u);
        let raw = x[(row * BLOCK_COUNT + block) * 8u + (item & 7u)];
        squares${load} += dot(raw, raw);
        let turn = (item >> 3u) & 7u;
        tile[X_TILE + (item & ~7u) + ((item & 7u) ^ turn)] =
          raw * norm_weight_at(block * 8u + (item & 7u));
      }
    }
    //: end
    workgroupBarrier();
    for (var part = slice * 2u; part < slice * 2u + 2u; part++) {
      let input${token} = tile[X_TILE + (${token}u * 8u + column) * 8u + (part ^ column)];
      //: repeat quad
      //: repeat output
      {
        let row = ${quad}u * 32u + lane * 4u + ${output}u;
        let weight = tile[row * 8u + (part ^ swizzle(lane, ${output}u))];
        sum${token}_${quad}_${output} =
          add_product(sum${token}_${quad}_${output}, weight, input${token});
      }
      //: end
      //: end
    }
  }

  // The rows whose outputs a thread puts: factors of the norm, from the squares of their parts.
  workgroupBarrier();
  //: repeat load
  if (thread + ${load}u * THREAD_COUNT < 8u * TOKEN_COUNT) {
    tile[thread + ${load}u * THREAD_COUNT] = vec4<f32>(squares${load});
  }
  //: end
  workgroupBarrier();
  var squares_of_row${item} = 0.0;
  for (var part = 0u; part < 8u; part++) {
    squares_of_row${item} += tile[((${item}u * THREAD_COUNT + thread) >> 4u) * 8u + part].x;
  }
  let factor${item} = norm_factor(squares_of_row${item});

  for (var other = 0u; other < SLICE_COUNT; other++) {
    workgroupBarrier(); // what the tile held has been read, or the slice before has been added
    if (slice == other) {
      //: repeat token
      //: repeat quad
      {
        let at = (${quad}u * 8u + lane) * TOKEN_COUNT + ${token}u * 8u + column;
        let sums = vec4<f32>(
          //: repeat output
          sum${token}_${quad}_${output},
          //: end
        );
        tile[at] = select(tile[at] + sums, sums, other == 0u);
      }
      //: end
      //: end
    }
  }
  workgroupBarrier();
  //: repeat item
  {
    let item = ${item}u * THREAD_COUNT + thread;
    let quad = item & 15u;
    let row = first_row + (item >> 4u);
    let group = first_group + quad / 8u;
    if (row < row_count && group < GROUP_COUNT) {
      let outputs = tile[quad * TOKEN_COUNT + (item >> 4u)] * factor${item};
      put_outputs(row, OUTPUT_START + group * 32u + (quad & 7u) * 4u, outputs);
    }
  }
  //: end
}
