//: file shaders/matmul/parts/product.wgsl
// The product of 32 neighbouring rows of a weight with TOKEN_COUNT rows of x, by 8 lanes or several
// times 8. Used by matmul and expert_matmul, with the texts that shaders/matmul/rows.wgsl names.
//
// Each lane makes 4 neighbouring outputs for TOKEN_COUNT rows. One load of 4 columns of x per lane
// covers a block of 32 columns; the lanes then read it from one another, which on software Vulkan
// is 2 to 5 times faster than loading every value in every lane. The order of the sums of a row
// depends on nothing but the shape, so its result is the same bits in any batch.
//
// Markers: token (rows of x), column (of the 4 of a lane), output (of the 4 of a lane), lane.

override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override EPSILON: f32 = 0.0; // of the norm
override SLICE_COUNT: u32 = 1u; // groups of 8 lanes, which take turns at the blocks of columns

const LANE_COUNT = 8u;
override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;
override THREAD_COUNT: u32 = LANE_COUNT * SLICE_COUNT;

// weights and scales: [outputs / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>; // of quantised formats
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [rows, columns / 4]

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

// 4 columns of x by row: as loaded by one lane.
struct Inputs {
  row${token}: vec4<f32>,
}

// The same 4 columns by column.
struct Columns {
  column${column}: Tokens,
}

fn load_inputs(rows: vec4<u32>, block: u32, lane: u32) -> Inputs {
  var inputs = Inputs();
  if (block < BLOCK_COUNT) {
    inputs.row${token} = x[(rows[${token}] * BLOCK_COUNT + block) * LANE_COUNT + lane];
  }
  return inputs;
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

// For 4 neighbouring outputs.
struct Sums {
  output${output}: Tokens,
}

fn add_scaled(total: Tokens, sum: Tokens, block_sum: Tokens, scales: Scales, o: u32) -> Tokens {
  let with_minimum = fma(Tokens(scales.minimum[o]), block_sum, total);
  return fma(Tokens(scales.scale[o]), sum, with_minimum);
}

// Of one block of columns, unscaled. Unrolled in text: loops are bounded and never unrolled here.
fn block_products(group_block: u32, inputs: Inputs, thread: u32) -> Sums {
  let own_lane = thread & (LANE_COUNT - 1u);
  let side = load_shared(group_block, own_lane);
  let weights${output} = load_weights(group_block, ${output}u, own_lane, side);
  var sum = Sums();
  //: repeat lane
  let columns${lane} = shared_columns(inputs, thread, ${lane}u);
  sum.output${output} = add_products(
    sum.output${output},
    weight_columns(weights${output}, ${lane}u),
    columns${lane},
  );
  //: end
  return sum;
}

// Of 4 neighbouring outputs, before the norm's factor; complete in the lanes of the first slice.
struct Product {
  total: Sums,
  factor: Tokens,
}

// Of group `group` of 32 rows of the bound weight with the first TOKEN_COUNT of `rows` of x.
fn product(group: u32, rows: vec4<u32>, thread: u32) -> Product {
  let lane = thread & (LANE_COUNT - 1u);
  let slice = thread / LANE_COUNT;
  var total = Sums();
  var squares = Tokens();
  for (var first = 0u; first < BLOCK_COUNT; first += SLICE_COUNT) {
    let block = first + slice;
    let raw = load_inputs(rows, block, lane);
    squares += squares_of(raw);
    let inputs = times(raw, norm_weight_at(min(block, BLOCK_COUNT - 1u) * LANE_COUNT + lane));
    share(inputs, thread);
    let at = group * BLOCK_COUNT + min(block, BLOCK_COUNT - 1u);
    let sum = block_products(at, inputs, thread);
    let block_sum = shared_sum(sum_of(inputs), thread);
    let of_block = load_scales(at, lane);
    total.output${output} = add_scaled(
      total.output${output},
      sum.output${output},
      block_sum,
      of_block,
      ${output}u,
    );
  }
  total = shared_total(total, thread);
  return Product(total, norm_factor(shared_squares(squares, thread)));
}

fn outputs_of(made: Product, token: u32) -> vec4<f32> {
  let outputs = vec4<f32>(
    //: repeat output
    token_of(made.total.output${output}, token),
    //: end
  );
  return outputs * token_of(made.factor, token);
}
