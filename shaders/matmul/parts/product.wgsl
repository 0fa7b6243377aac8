//: file shaders/matmul/parts/product.wgsl
// What a workgroup sums for 32 neighbouring rows of a weight and TOKEN_COUNT rows of x, by 8 lanes
// or several times 8: each makes 4 neighbouring outputs. Used by matmul and expert_matmul with a
// text of by_*.wgsl, which makes a Product. The order of the sums of a row depends on nothing but
// the shape, so its result is the same bits in any batch.
//
// Markers: token (rows of x), column (of the 4 of a lane), output (of the 4 of a lane), codes where
//          x is codes of 8 bits; set (of TOKEN_COUNT rows of x: 1, or 2 with by_subgroup.wgsl).

override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override EPSILON: f32 = 0.0; // of the norm
override SLICE_COUNT: u32 = 1u; // groups of 8 lanes, which take turns at the blocks of columns

const LANE_COUNT = 8u;
override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;
override THREAD_COUNT: u32 = LANE_COUNT * SLICE_COUNT;

// weights and scales: [outputs / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>; // of quantised formats
//: if codes
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>; // [rows, columns / 16], a byte each
//: else
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [rows, columns / 4]
//: end

// A number for each row of x.
//: if one_token
alias Tokens = f32;

fn token_of(values: Tokens, token: u32) -> f32 {
  return values;
}
//: else
//: if two_tokens
alias Tokens = vec2<f32>;
//: else
alias Tokens = vec4<f32>;
//: end

fn token_of(values: Tokens, token: u32) -> f32 {
  return values[token];
}
//: end

//: if codes
//: else
// 4 columns of x by row, as they are loaded.
struct Inputs {
  row${token}: vec4<f32>,
}

// The same 4 columns by column.
struct Columns {
  column${column}: Tokens,
}

// Columns 4 * part to 4 * part + 3 of a block.
fn load_inputs(rows: vec4<u32>, block: u32, part: u32) -> Inputs {
  return Inputs(
    //: repeat token
    x[(rows[${token}] * BLOCK_COUNT + block) * 8u + part],
    //: end
  );
}

fn columns_of(inputs: Inputs) -> Columns {
  return Columns(
    //: repeat column
    Tokens(
      //: repeat token
      inputs.row${token}[${column}],
      //: end
    ),
    //: end
  );
}

fn times(inputs: Inputs, factor: vec4<f32>) -> Inputs {
  return Inputs(
    //: repeat token
    inputs.row${token} * factor,
    //: end
  );
}

fn sum_of(inputs: Inputs) -> Tokens {
  let one = vec4<f32>(1.0);
  return Tokens(
    //: repeat token
    dot(inputs.row${token}, one),
    //: end
  );
}

fn squares_of(inputs: Inputs) -> Tokens {
  return Tokens(
    //: repeat token
    dot(inputs.row${token}, inputs.row${token}),
    //: end
  );
}

fn add_products(before: Tokens, weight: vec4<f32>, columns: Columns) -> Tokens {
  var sum = before;
  sum = fma(Tokens(weight[${column}]), columns.column${column}, sum);
  return sum;
}

//: end
// For 4 neighbouring outputs.
struct Sums {
  output${output}: Tokens,
}

fn add_scaled(total: Tokens, sum: Tokens, block_sum: Tokens, scales: Scales, o: u32) -> Tokens {
  let with_minimum = fma(Tokens(scales.minimum[o]), block_sum, total);
  return fma(Tokens(scales.scale[o]), sum, with_minimum);
}

// Of 4 neighbouring outputs, before the norm's factor; complete in the first 8 lanes.
struct Product {
  total: Sums,
  factor: Tokens,
}

// Of each set of rows.
struct Products {
  set${set}: Product,
}

fn outputs_of(made: Product, token: u32) -> vec4<f32> {
  let outputs = vec4<f32>(
    //: repeat output
    token_of(made.total.output${output}, token),
    //: end
  );
  return outputs * token_of(made.factor, token);
}
