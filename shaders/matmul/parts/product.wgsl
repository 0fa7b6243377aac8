//: file shaders/matmul/parts/product.wgsl
// The product of 32 neighbouring rows of a weight with TOKEN_COUNT rows of x, by 8 lanes or several
// times 8. Used by matmul and expert_matmul, with the texts that shaders/matmul/rows.wgsl names.
//
// Each lane makes 4 neighbouring outputs for TOKEN_COUNT rows. One load of 4 columns of x per lane
// covers a block of 32 columns; the lanes then read it from one another, which on software Vulkan
// is 2 to 5 times faster than loading every value in every lane. The order of the sums of a row
// depends on nothing but the shape, so its result is the same bits in any batch.

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

// 4 columns of x by row: as loaded by one lane.
struct Inputs {
  row0: vec4<f32>,
  row1: vec4<f32>,
  row2: vec4<f32>,
  row3: vec4<f32>,
}

// The same 4 columns by column.
struct Columns {
  column0: Tokens,
  column1: Tokens,
  column2: Tokens,
  column3: Tokens,
}

fn input_at(row: u32, block: u32, lane: u32) -> vec4<f32> {
  return x[(row * BLOCK_COUNT + block) * LANE_COUNT + lane];
}

fn load_inputs(rows: vec4<u32>, block: u32, lane: u32) -> Inputs {
  var inputs = Inputs();
  if (block < BLOCK_COUNT) {
    inputs.row0 = input_at(rows.x, block, lane);
    if (TOKEN_COUNT > 1u) {
      inputs.row1 = input_at(rows.y, block, lane);
    }
    if (TOKEN_COUNT > 2u) {
      inputs.row2 = input_at(rows.z, block, lane);
      inputs.row3 = input_at(rows.w, block, lane);
    }
  }
  return inputs;
}

fn times(inputs: Inputs, factor: vec4<f32>) -> Inputs {
  return Inputs(
    inputs.row0 * factor,
    inputs.row1 * factor,
    inputs.row2 * factor,
    inputs.row3 * factor,
  );
}

fn sum_of(inputs: Inputs) -> Tokens {
  let one = vec4<f32>(1.0);
  return tokens(
    dot(inputs.row0, one),
    dot(inputs.row1, one),
    dot(inputs.row2, one),
    dot(inputs.row3, one),
  );
}

fn squares_of(inputs: Inputs) -> Tokens {
  return tokens(
    dot(inputs.row0, inputs.row0),
    dot(inputs.row1, inputs.row1),
    dot(inputs.row2, inputs.row2),
    dot(inputs.row3, inputs.row3),
  );
}

fn add_products(sum: Tokens, weight: vec4<f32>, columns: Columns) -> Tokens {
  let sum0 = fma(Tokens(weight.x), columns.column0, sum);
  let sum1 = fma(Tokens(weight.y), columns.column1, sum0);
  let sum2 = fma(Tokens(weight.z), columns.column2, sum1);
  return fma(Tokens(weight.w), columns.column3, sum2);
}

// For 4 neighbouring outputs.
struct Sums {
  output0: Tokens,
  output1: Tokens,
  output2: Tokens,
  output3: Tokens,
}

fn add_scaled(total: Tokens, sum: Tokens, block_sum: Tokens, scales: Scales, o: u32) -> Tokens {
  let with_minimum = fma(Tokens(scales.minimum[o]), block_sum, total);
  return fma(Tokens(scales.scale[o]), sum, with_minimum);
}

// Of one block of columns, unscaled. Unrolled in text: loops are bounded and never unrolled here.
fn block_products(group_block: u32, inputs: Inputs, thread: u32) -> Sums {
  let lane = thread & (LANE_COUNT - 1u);
  let side = load_shared(group_block, lane);
  let w0 = load_weights(group_block, 0u, lane, side);
  let w1 = load_weights(group_block, 1u, lane, side);
  let w2 = load_weights(group_block, 2u, lane, side);
  let w3 = load_weights(group_block, 3u, lane, side);
  var sum = Sums();
  let c0 = shared_columns(inputs, thread, 0u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 0u), c0);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 0u), c0);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 0u), c0);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 0u), c0);
  let c1 = shared_columns(inputs, thread, 1u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 1u), c1);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 1u), c1);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 1u), c1);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 1u), c1);
  let c2 = shared_columns(inputs, thread, 2u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 2u), c2);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 2u), c2);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 2u), c2);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 2u), c2);
  let c3 = shared_columns(inputs, thread, 3u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 3u), c3);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 3u), c3);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 3u), c3);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 3u), c3);
  let c4 = shared_columns(inputs, thread, 4u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 4u), c4);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 4u), c4);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 4u), c4);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 4u), c4);
  let c5 = shared_columns(inputs, thread, 5u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 5u), c5);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 5u), c5);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 5u), c5);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 5u), c5);
  let c6 = shared_columns(inputs, thread, 6u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 6u), c6);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 6u), c6);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 6u), c6);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 6u), c6);
  let c7 = shared_columns(inputs, thread, 7u);
  sum.output0 = add_products(sum.output0, weight_columns(w0, 7u), c7);
  sum.output1 = add_products(sum.output1, weight_columns(w1, 7u), c7);
  sum.output2 = add_products(sum.output2, weight_columns(w2, 7u), c7);
  sum.output3 = add_products(sum.output3, weight_columns(w3, 7u), c7);
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
    total.output0 = add_scaled(total.output0, sum.output0, block_sum, of_block, 0u);
    total.output1 = add_scaled(total.output1, sum.output1, block_sum, of_block, 1u);
    total.output2 = add_scaled(total.output2, sum.output2, block_sum, of_block, 2u);
    total.output3 = add_scaled(total.output3, sum.output3, block_sum, of_block, 3u);
  }
  total = shared_total(total, thread);
  return Product(total, norm_factor(shared_squares(squares, thread)));
}

fn outputs_of(made: Product, token: u32) -> vec4<f32> {
  let outputs = vec4<f32>(
    token_of(made.total.output0, token),
    token_of(made.total.output1, token),
    token_of(made.total.output2, token),
    token_of(made.total.output3, token),
  );
  return outputs * token_of(made.factor, token);
}
