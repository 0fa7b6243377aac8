//: file shaders/matmul/parts/by_subgroup.wgsl
// The workgroup is one subgroup of 8 lanes: each loads 4 columns of a block of x, and the others
// read them from its registers. On software Vulkan that is 2 to 5 times faster than loading every
// value in every lane.
// Twin:    by_slices.wgsl
// Markers: as product.wgsl, and part (of the 8 parts of a block); super_block where the side data
//          of the weight are of 8 blocks, streamed where they are loaded as blocks need them,
//          values where its codes stand for values, half_scales (half, quarter) where 16 columns
//          have a scale of their own, in_place where codes are taken where they lie in a word, and
//          x is scaled for it.

// Groups of outputs follow each other: the same rows of x stay in the caches of a CPU.
fn group_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.x;
}

fn tile_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.y;
}

// A lane's 4 columns of a block of x: as they are, by the norm's weights, and by `factors` too.
struct BlockInputs {
  raw: Inputs,
  inputs: Inputs,
  placed: Inputs,
}

fn load_block(rows: vec4<u32>, block: u32, factors: vec4<f32>, lane: u32) -> BlockInputs {
  let raw = load_inputs(rows, block, lane);
  let inputs = times(raw, norm_weight_at(block * 8u + lane));
  return BlockInputs(raw, inputs, times(inputs, factors));
}

// By which a lane's columns are multiplied. Taken before the loops: no compiler moves it there.
fn factors_of(lane: u32) -> vec4<f32> {
  //: if in_place
  return places_undone(lane);
  //: else
  return vec4<f32>(1.0);
  //: end
}

// Of one block of columns, unscaled. Unrolled in text: loops are bounded and never unrolled here.
fn block_products(group_block: u32, side: Shared, x_of: BlockInputs, lane: u32) -> Sums {
  let weights${output} = load_weights(group_block, ${output}u, lane, side);
  var sum = Sums();
  //: if half_scales
  //: if in_place
  let half_sum = sum_of_4_lanes(sum_of(x_of.inputs), lane);
  //: end
  //: repeat half
  var codes${half} = Sums();
  //: if in_place
  let start${half} = START * subgroupShuffle(half_sum, 4u * ${half}u);
  codes${half}.output${output} = start${half};
  //: end
  //: repeat quarter
  let columns${half}_${quarter} =
    columns_of(inputs_of_lane(x_of.placed, 4u * ${half}u + ${quarter}u));
  codes${half}.output${output} = add_products(
    codes${half}.output${output},
    weight_codes(weights${output}, 4u * ${half}u + ${quarter}u),
    columns${half}_${quarter},
  );
  //: end
  sum.output${output} = fma(
    Tokens(weights${output}.scale[${half}]),
    codes${half}.output${output},
    sum.output${output},
  );
  //: end
  //: else
  //: repeat part
  let columns${part} = columns_of(inputs_of_lane(x_of.placed, ${part}u));
  //: if in_place
  sum.output${output} = add_products(
    sum.output${output},
    weight_codes(weights${output}, ${part}u),
    columns${part},
  );
  //: else
  sum.output${output} = add_products(
    sum.output${output},
    weight_columns(weights${output}, ${part}u),
    columns${part},
  );
  //: end
  //: end
  //: end
  return sum;
}

// In every lane. By exchange: software Vulkan goes through the lanes one by one for subgroupAdd.
fn sum_of_lanes(own: Tokens, lane: u32) -> Tokens {
  let of_4 = sum_of_4_lanes(own, lane);
  return of_4 + subgroupShuffle(of_4, lane ^ 4u);
}

fn sum_of_4_lanes(own: Tokens, lane: u32) -> Tokens {
  let of_2 = own + subgroupShuffle(own, lane ^ 1u);
  return of_2 + subgroupShuffle(of_2, lane ^ 2u);
}

fn inputs_of_lane(inputs: Inputs, lane: u32) -> Inputs {
  return Inputs(
    //: repeat token
    subgroupShuffle(inputs.row${token}, lane),
    //: end
  );
}

struct Running {
  total: Sums,
  squares: Tokens, // of a lane's part of each block
}

struct Side {
  in_common: Shared,
  scales: Scales,
}

fn add_block(before: Running, at: u32, side: Side, x_of: BlockInputs, lane: u32) -> Running {
  var own = before;
  own.squares += squares_of(x_of.raw);
  let sum = block_products(at, side.in_common, x_of, lane);
  //: if half_scales
  own.total.output${output} =
    fma(Tokens(side.scales.scale[${output}u]), sum.output${output}, own.total.output${output});
  //: else
  let block_sum = sum_of_lanes(sum_of(x_of.inputs), lane);
  own.total.output${output} = add_scaled(
    own.total.output${output},
    sum.output${output},
    block_sum,
    side.scales,
    ${output}u,
  );
  //: end
  return own;
}

// Of group `group` of 32 rows of the bound weight with the first TOKEN_COUNT of `rows` of x.
fn product(group: u32, rows: vec4<u32>, lane: u32) -> Product {
  //: if values
  prepare_values(lane);
  //: end
  let factors = factors_of(lane);
  var own = Running();
  //: if streamed
  var stream = Stream();
  var of_unit = Running(); // of a super-block, before its scale
  for (var block = 0u; block < BLOCK_COUNT; block += 1u) {
    let at = group * BLOCK_COUNT + block;
    stream = next_of(stream, at, lane);
    let unscaled = Scales(vec4<f32>(1.0), vec4<f32>(0.0));
    let side = Side(shared_of(stream, at, lane), unscaled);
    of_unit = add_block(of_unit, at, side, load_block(rows, block, factors, lane), lane);
    if ((block & 7u) == 7u) {
      let scale = unit_scale(stream, lane);
      own.total.output${output} =
        fma(Tokens(scale[${output}u]), of_unit.total.output${output}, own.total.output${output});
      of_unit.total = Sums();
    }
  }
  own.squares = of_unit.squares;
  //: else
  //: if super_block
  // What 8 blocks have in common is loaded once.
  for (var unit = 0u; unit < BLOCK_COUNT / 8u; unit += 1u) {
    let of_unit = load_unit(group * (BLOCK_COUNT / 8u) + unit, lane);
    for (var in_unit = 0u; in_unit < 8u; in_unit += 1u) {
      let block = unit * 8u + in_unit;
      let at = group * BLOCK_COUNT + block;
      let side = Side(shared_of(of_unit, at, lane), scales_of(of_unit, in_unit));
      own = add_block(own, at, side, load_block(rows, block, factors, lane), lane);
    }
  }
  //: else
  for (var block = 0u; block < BLOCK_COUNT; block += 1u) {
    let at = group * BLOCK_COUNT + block;
    let side = Side(load_shared(at, lane), load_scales(at, lane));
    own = add_block(own, at, side, load_block(rows, block, factors, lane), lane);
  }
  //: end
  //: end
  return Product(own.total, norm_factor(sum_of_lanes(own.squares, lane)));
}
