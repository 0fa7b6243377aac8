//: file shaders/matmul/parts/codes_tile.wgsl
// What a workgroup sums for two groups of 32 rows of a weight and TOKEN_COUNT rows of x as codes of
// 8 bits. Used by matmul/codes_tile and expert_matmul/codes_tile, which have a Place and what it
// stands for: group_block, x_block and has_rows.
//
// A thread makes 4 neighbouring outputs of every sixteenth row. Blocks are gone through by the
// slices of parts/product.wgsl, each summed by itself before it is added: an output is made by the
// same operations in the same order as there, whatever TOKEN_COUNT. While a block is multiplied,
// the next one is on its way from memory to the other half of the tile: one barrier for each.
//
// Markers: token (rows of x of a thread), output (of a quad), half (of a block), quarter (of the
// 4 parts of a half), half_scales where 16 columns of the weight have a scale of their own.

override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override SLICE_COUNT: u32; // of the columns: slice s has every SLICE_COUNTth block from s on

const THREAD_COUNT = 256u;
const WEIGHT_THREAD_COUNT = 128u; // a half block of a row of the weight each; the others load x
const SCALE_THREAD = 176u; // the first of 16 that load a quad's scales
const SIDE_THREAD = 192u; // the first of those that load the scales of x
const QUAD_COUNT = 16u; // of 4 outputs, in a tile
const COLUMN_STEP = 16u; // rows of x from one of a thread to the next
const TOKENS = TOKEN_COUNT / COLUMN_STEP; // rows of x of a thread
override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;

// weights and scales: [outputs / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>; // [rows, columns / 16], a byte each
@group(0) @binding(3) var<storage, read> x_sides: array<vec2<u32>>; // [rows, blocks]

// Of two blocks, one that is read and one that is put. Arrays are nested, so that bounds are
// checked of what changes only.
alias QuadWords = array<vec4<u32>, QUAD_COUNT>;
alias ColumnWords = array<vec4<u32>, COLUMN_STEP>;
var<workgroup> tile_weights: array<array<array<QuadWords, 4>, 2>, 2>; // by half, output, quad
var<workgroup> tile_x: array<array<array<ColumnWords, TOKENS>, 2>, 2>; // by half, row
var<workgroup> tile_scales: array<array<vec4<f32>, QUAD_COUNT>, 2>;
//: if half_scales
var<workgroup> tile_halves: array<array<array<array<f32, QUAD_COUNT>, 4>, 2>, 2>; // as the weights
//: else
var<workgroup> tile_minima: array<array<vec4<f32>, QUAD_COUNT>, 2>;
//: end
// By row: the scale; the sum of the values; what the integers begin with. With half_scales: the
// scale, and what the integers of each half begin with.
var<workgroup> tile_sides: array<array<ColumnWords, TOKENS>, 2>;

alias Tokens = f32; // of the norm

// What a thread takes of a block before the one before it is multiplied, and puts behind that.
struct Taken {
  weight: PackedBlock,
  codes: vec4<u32>,
}

fn take(place: Place, block: u32, thread: u32) -> Taken {
  var taken = Taken();
  if (thread < WEIGHT_THREAD_COUNT) {
    let at = group_block(place, (thread >> 3u) & 1u, block);
    let lane = thread & 7u;
    taken.weight = load_weights(at, (thread >> 4u) & 3u, lane, load_shared(at, lane));
  } else if (thread - WEIGHT_THREAD_COUNT < 2u * TOKEN_COUNT) {
    let item = thread - WEIGHT_THREAD_COUNT;
    taken.codes = x[x_block(place, item >> 1u, block) * 2u + (item & 1u)];
  }
  return taken;
}

// Codes of weights stand around CENTER: what that adds to sums is taken off from their beginning.
fn side_of(side: vec2<u32>) -> vec4<u32> {
  let sum0 = bitcast<i32>(side.y << 16u) >> 16u;
  let sum1 = bitcast<i32>(side.y) >> 16u;
  //: if half_scales
  return vec4<u32>(side.x, bitcast<u32>(sum0 * -CENTER), bitcast<u32>(sum1 * -CENTER), 0u);
  //: else
  let sum = sum0 + sum1;
  let of_values = bitcast<f32>(side.x) * f32(sum);
  return vec4<u32>(side.x, bitcast<u32>(of_values), bitcast<u32>(sum * -CENTER), 0u);
  //: end
}

fn put(taken: Taken, buffer: u32, thread: u32) {
  if (thread < WEIGHT_THREAD_COUNT) {
    let quad = thread & 15u;
    let output = (thread >> 4u) & 3u;
    //: repeat half
    if (thread >> 6u == ${half}u) {
      tile_weights[buffer][${half}u][output][quad] = vec4<u32>(
        //: repeat quarter
        weight_bytes(taken.weight, 4u * ${half}u + ${quarter}u),
        //: end
      );
      //: if half_scales
      tile_halves[buffer][${half}u][output][quad] = taken.weight.scale[${half}u];
      //: end
    }
    //: end
  } else if (thread - WEIGHT_THREAD_COUNT < 2u * TOKEN_COUNT) {
    let item = thread - WEIGHT_THREAD_COUNT;
    let row = item >> 1u;
    tile_x[buffer][item & 1u][row / COLUMN_STEP][row % COLUMN_STEP] = taken.codes;
  }
}

// Scales of a block, which would take too many registers on their way.
fn put_sides(place: Place, block: u32, buffer: u32, thread: u32) {
  if (thread >= SIDE_THREAD) {
    let item = thread - SIDE_THREAD;
    if (item < TOKEN_COUNT) {
      let side = side_of(x_sides[x_block(place, item, block)]);
      tile_sides[buffer][item / COLUMN_STEP][item % COLUMN_STEP] = side;
    }
  } else if (thread >= SCALE_THREAD) {
    let quad = thread & 15u;
    let of_block = load_scales(group_block(place, quad >> 3u, block), quad & 7u);
    tile_scales[buffer][quad] = of_block.scale;
    //: if half_scales
    //: else
    tile_minima[buffer][quad] = of_block.minimum;
    //: end
  }
}

// Of each row of a thread, for its 4 outputs.
struct TileSums {
  token${token}: vec4<f32>,
}

// Where there is no row that a thread is for, its sums are nothing.
fn sum_tile(place: Place, thread: u32) -> TileSums {
  let quad = thread & 15u;
  let column = thread >> 4u; // of the tile: it has every sixteenth row of x
  let is_wanted = has_rows(place, column);

  var total${token} = vec4<f32>();
  var own${token} = vec4<f32>(); // of a slice
  var slice = 0u;
  var block = 0u; // that is taken
  var ends = false; // whether the one that is multiplied is the last of its slice
  for (var turn = 0u; turn <= BLOCK_COUNT; turn++) {
    let taking = turn & 1u;
    let buffer = 1u - taking;
    workgroupBarrier(); // the block before this has been put, and the one before that has been read
    let next = min(block, BLOCK_COUNT - 1u);
    let taken = take(place, next, thread);
    put_sides(place, next, taking, thread);
    if (turn > 0u && is_wanted) {
      let side${token} = tile_sides[buffer][${token}u][column];
      let x_scale${token} = bitcast<f32>(side${token}.x);
      let scale = tile_scales[buffer][quad];
      //: if half_scales
      var sum${token} = vec4<f32>();
      //: else
      var dots${token} = vec4<i32>(bitcast<i32>(side${token}.z));
      //: end
      //: repeat half
      {
        let words${output} = tile_weights[buffer][${half}u][${output}u][quad];
        //: if half_scales
        var dots${token} = vec4<i32>(bitcast<i32>(side${token}[1u + ${half}u]));
        let of_half = vec4<f32>(
          //: repeat output
          tile_halves[buffer][${half}u][${output}u][quad],
          //: end
        );
        //: end
        //: repeat token
        {
          let codes = tile_x[buffer][${half}u][${token}u][column];
          //: repeat quarter
          dots${token} += vec4<i32>(
            //: repeat output
            dot_of_bytes(words${output}[${quarter}], codes[${quarter}]),
            //: end
          );
          //: end
        }
        //: end
        //: if half_scales
        sum${token} = fma(of_half, vec4<f32>(dots${token}), sum${token});
        //: end
      }
      //: end
      //: if half_scales
      own${token} = fma(scale * x_scale${token}, sum${token}, own${token});
      //: else
      let minimum = tile_minima[buffer][quad];
      own${token} = fma(minimum, vec4<f32>(bitcast<f32>(side${token}.y)), own${token});
      own${token} = fma(scale, x_scale${token} * vec4<f32>(dots${token}), own${token});
      //: end
    }
    if (ends) {
      total${token} += own${token};
      own${token} = vec4<f32>();
    }
    put(taken, taking, thread);
    let in_slice = block + SLICE_COUNT;
    ends = in_slice >= BLOCK_COUNT;
    slice += u32(ends);
    block = select(in_slice, slice, ends);
  }
  return TileSums(
    //: repeat token
    total${token},
    //: end
  );
}
