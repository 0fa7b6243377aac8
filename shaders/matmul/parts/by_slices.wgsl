//: file shaders/matmul/parts/by_slices.wgsl
// Any device: slices of 8 lanes take turns at the blocks of columns, each lane loading all of x
// that it needs, which 8 lanes read at once. No barrier, so that loads of many blocks are in
// flight, until the sums of all slices are added: slices.wgsl, which is appended.
// Twin:    by_subgroup.wgsl
// Markers: as product.wgsl, and part (of the 8 parts of a block).

fn add_block(before: Slice, group: u32, rows: vec4<u32>, block: u32, lane: u32) -> Slice {
  let at = group * BLOCK_COUNT + block;
  let side = load_shared(at, lane);
  let weights${output} = load_weights(at, ${output}u, lane, side);
  var sum = Sums();
  var block_sum = Tokens();
  //: repeat part
  let inputs${part} =
    times(load_inputs(rows, block, ${part}u), norm_weight_at(block * 8u + ${part}u));
  let columns${part} = columns_of(inputs${part});
  block_sum += sum_of(inputs${part});
  sum.output${output} = add_products(
    sum.output${output},
    weight_columns(weights${output}, ${part}u),
    columns${part},
  );
  //: end
  let of_block = load_scales(at, lane);
  var slice = before;
  slice.squares += squares_of(load_inputs(rows, block, lane));
  slice.total.output${output} = add_scaled(
    slice.total.output${output},
    sum.output${output},
    block_sum,
    of_block,
    ${output}u,
  );
  return slice;
}

// Of group `group` of 32 rows of the bound weight with the first TOKEN_COUNT of `rows` of x.
fn product(group: u32, rows: vec4<u32>, thread: u32) -> Products {
  let lane = thread & (LANE_COUNT - 1u);
  let slice = thread / LANE_COUNT;
  var own = Slice();
  for (var block = slice; block < BLOCK_COUNT; block += SLICE_COUNT) {
    own = add_block(own, group, rows, block, lane);
  }
  return Products(add_slices(own, thread));
}
