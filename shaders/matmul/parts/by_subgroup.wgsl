//: file shaders/matmul/parts/by_subgroup.wgsl
// The workgroup is one subgroup of 8 lanes: each loads 4 columns of a block of x, and the others
// read them from its registers. On software Vulkan that is 2 to 5 times faster than loading every
// value in every lane.
// Twin:    by_slices.wgsl
// Markers: as product.wgsl, and part (of the 8 parts of a block); super_block where the side data
//          of the weight are of 8 blocks, streamed where they are loaded as blocks need them,
//          values where its codes stand for values, half_scales (half, quarter) where 16 columns
//          have a scale of their own, in_place where codes are taken where they lie in a word, and
//          x is scaled for it; set (of TOKEN_COUNT rows of x, for which a weight is expanded once).

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

// What a lane has of each set of rows.
struct SetInputs {
  set${set}: BlockInputs,
}

struct SetSums {
  set${set}: Sums,
}

// Of one block of columns, unscaled. Unrolled in text: loops are bounded and never unrolled here.
fn block_products(group_block: u32, side: Shared, x_of: SetInputs, lane: u32) -> SetSums {
  let weights${output} = load_weights(group_block, ${output}u, lane, side);
  var sums = SetSums();
  //: if half_scales
  //: if in_place
  let half_sum${set} = sum_of_4_lanes(sum_of(x_of.set${set}.inputs), lane);
  //: end
  //: repeat half
  var codes${half}_${set} = Sums();
  //: if in_place
  let start${half}_${set} = START * subgroupShuffle(half_sum${set}, 4u * ${half}u);
  codes${half}_${set}.output${output} = start${half}_${set};
  //: end
  //: repeat quarter
  let weight${half}_${quarter}_${output} =
    weight_codes(weights${output}, 4u * ${half}u + ${quarter}u);
  //: repeat set
  let columns${half}_${quarter}_${set} =
    columns_of(inputs_of_lane(x_of.set${set}.placed, 4u * ${half}u + ${quarter}u));
  codes${half}_${set}.output${output} = add_products(
    codes${half}_${set}.output${output},
    weight${half}_${quarter}_${output},
    columns${half}_${quarter}_${set},
  );
  //: end
  //: end
  //: repeat set
  sums.set${set}.output${output} = fma(
    Tokens(weights${output}.scale[${half}]),
    codes${half}_${set}.output${output},
    sums.set${set}.output${output},
  );
  //: end
  //: end
  //: else
  //: repeat part
  //: if in_place
  let weight${part}_${output} = weight_codes(weights${output}, ${part}u);
  //: else
  let weight${part}_${output} = weight_columns(weights${output}, ${part}u);
  //: end
  //: repeat set
  let columns${part}_${set} = columns_of(inputs_of_lane(x_of.set${set}.placed, ${part}u));
  sums.set${set}.output${output} =
    add_products(sums.set${set}.output${output}, weight${part}_${output}, columns${part}_${set});
  //: end
  //: end
  //: end
  return sums;
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

struct Runnings {
  set${set}: Running,
}

fn add_block(before: Runnings, at: u32, side: Side, x_of: SetInputs, lane: u32) -> Runnings {
  var own = before;
  own.set${set}.squares += squares_of(x_of.set${set}.raw);
  let sums = block_products(at, side.in_common, x_of, lane);
  //: repeat set
  //: if half_scales
  own.set${set}.total.output${output} = fma(
    Tokens(side.scales.scale[${output}u]),
    sums.set${set}.output${output},
    own.set${set}.total.output${output},
  );
  //: else
  let block_sum${set} = sum_of_lanes(sum_of(x_of.set${set}.inputs), lane);
  own.set${set}.total.output${output} = add_scaled(
    own.set${set}.total.output${output},
    sums.set${set}.output${output},
    block_sum${set},
    side.scales,
    ${output}u,
  );
  //: end
  //: end
  return own;
}

// Of group `group` of 32 rows of the bound weight with rows of x: the first TOKEN_COUNT of each of
// `rows`.
fn product(
  group: u32,
  //: repeat set
  rows${set}: vec4<u32>,
  //: end
  lane: u32,
) -> Products {
  //: if values
  prepare_values(lane);
  //: end
  let factors = factors_of(lane);
  var own = Runnings();
  //: if streamed
  var stream = Stream();
  var of_unit = Runnings(); // of a super-block, before its scale
  for (var block = 0u; block < BLOCK_COUNT; block += 1u) {
    let at = group * BLOCK_COUNT + block;
    stream = next_of(stream, at, lane);
    let unscaled = Scales(vec4<f32>(1.0), vec4<f32>(0.0));
    let side = Side(shared_of(stream, at, lane), unscaled);
    let x_of = SetInputs(
      //: repeat set
      load_block(rows${set}, block, factors, lane),
      //: end
    );
    of_unit = add_block(of_unit, at, side, x_of, lane);
    if ((block & 7u) == 7u) {
      let scale = unit_scale(stream, lane);
      //: repeat set
      own.set${set}.total.output${output} = fma(
        Tokens(scale[${output}u]),
        of_unit.set${set}.total.output${output},
        own.set${set}.total.output${output},
      );
      //: end
      of_unit.set${set}.total = Sums();
    }
  }
  own.set${set}.squares = of_unit.set${set}.squares;
  //: else
  //: if super_block
  // What 8 blocks have in common is loaded once.
  for (var unit = 0u; unit < BLOCK_COUNT / 8u; unit += 1u) {
    let of_unit = load_unit(group * (BLOCK_COUNT / 8u) + unit, lane);
    for (var in_unit = 0u; in_unit < 8u; in_unit += 1u) {
      let block = unit * 8u + in_unit;
      let at = group * BLOCK_COUNT + block;
      let side = Side(shared_of(of_unit, at, lane), scales_of(of_unit, in_unit));
      let x_of = SetInputs(
        //: repeat set
        load_block(rows${set}, block, factors, lane),
        //: end
      );
      own = add_block(own, at, side, x_of, lane);
    }
  }
  //: else
  for (var block = 0u; block < BLOCK_COUNT; block += 1u) {
    let at = group * BLOCK_COUNT + block;
    let side = Side(load_shared(at, lane), load_scales(at, lane));
    let x_of = SetInputs(
      //: repeat set
      load_block(rows${set}, block, factors, lane),
      //: end
    );
    own = add_block(own, at, side, x_of, lane);
  }
  //: end
  //: end
  return Products(
    //: repeat set
    Product(own.set${set}.total, norm_factor(sum_of_lanes(own.set${set}.squares, lane))),
    //: end
  );
}
