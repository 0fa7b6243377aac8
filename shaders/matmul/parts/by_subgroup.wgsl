//: file shaders/matmul/parts/by_subgroup.wgsl
// The workgroup is one subgroup of 8 lanes: each loads 4 columns of a block of x, and the others
// read them from its registers. On software Vulkan that is 2 to 5 times faster than loading every
// value in every lane.
// Twin:    by_slices.wgsl
// Markers: as product.wgsl, and part (of the 8 parts of a block).

// Groups of outputs follow each other: the same rows of x stay in the caches of a CPU.
fn group_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.x;
}

fn tile_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.y;
}

// Of one block of columns, unscaled. Unrolled in text: loops are bounded and never unrolled here.
fn block_products(group_block: u32, inputs: Inputs, lane: u32) -> Sums {
  let side = load_shared(group_block, lane);
  let weights${output} = load_weights(group_block, ${output}u, lane, side);
  var sum = Sums();
  //: repeat part
  let columns${part} = columns_of(inputs_of_lane(inputs, ${part}u));
  sum.output${output} = add_products(
    sum.output${output},
    weight_columns(weights${output}, ${part}u),
    columns${part},
  );
  //: end
  return sum;
}

fn inputs_of_lane(inputs: Inputs, lane: u32) -> Inputs {
  return Inputs(
    //: repeat token
    subgroupShuffle(inputs.row${token}, lane),
    //: end
  );
}

// Of group `group` of 32 rows of the bound weight with the first TOKEN_COUNT of `rows` of x.
fn product(group: u32, rows: vec4<u32>, lane: u32) -> Product {
  var total = Sums();
  var squares = Tokens();
  for (var block = 0u; block < BLOCK_COUNT; block += 1u) {
    let raw = load_inputs(rows, block, lane);
    squares += squares_of(raw);
    let inputs = times(raw, norm_weight_at(block * 8u + lane));
    let at = group * BLOCK_COUNT + block;
    let sum = block_products(at, inputs, lane);
    let block_sum = subgroupAdd(sum_of(inputs));
    let of_block = load_scales(at, lane);
    total.output${output} = add_scaled(
      total.output${output},
      sum.output${output},
      block_sum,
      of_block,
      ${output}u,
    );
  }
  return Product(total, norm_factor(subgroupAdd(squares)));
}
