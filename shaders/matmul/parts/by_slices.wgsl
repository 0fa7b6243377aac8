//: file shaders/matmul/parts/by_slices.wgsl
// Any device: SLICE_COUNT times 8 lanes take turns at the blocks of columns, each lane loading all
// of x that it needs, which 8 lanes read at once. No barrier, so that loads of many blocks are in
// flight, until the sums of all slices are added.
// Twin:    by_subgroup.wgsl
// Markers: as product.wgsl, and part (of the 8 parts of a block).

override SUM_COUNT: u32 = 4u * THREAD_COUNT; // the runtime refuses an unnamed one

// First of all slices' squares, then of all outputs; then what is left of both.
var<workgroup> sums: array<Tokens, SUM_COUNT>;

// Tiles of rows follow each other: they read the same weights at the same time.
fn group_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.y;
}

fn tile_of(workgroup: vec3<u32>) -> u32 {
  return workgroup.x;
}

struct Slice {
  total: Sums,
  squares: Tokens, // of a lane's part of each block
}

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
fn product(group: u32, rows: vec4<u32>, thread: u32) -> Product {
  let lane = thread & (LANE_COUNT - 1u);
  let slice = thread / LANE_COUNT;
  var own = Slice();
  for (var block = slice; block < BLOCK_COUNT; block += SLICE_COUNT) {
    own = add_block(own, group, rows, block, lane);
  }
  return add_slices(own, thread);
}

// 32 threads add the sums of one output each, and a share of the squares.
fn add_slices(own: Slice, thread: u32) -> Product {
  let slice = thread / LANE_COUNT;
  let lane = thread & (LANE_COUNT - 1u);
  sums[thread] = own.squares;
  workgroupBarrier();
  var squares = Tokens();
  if (thread < 32u) {
    for (var other = thread; other < THREAD_COUNT; other += 32u) {
      squares += sums[other];
    }
  }
  workgroupBarrier();
  sums[slice * 32u + lane * 4u + ${output}u] = own.total.output${output};
  workgroupBarrier();
  var total = Tokens();
  if (thread < 32u) {
    for (var other = 0u; other < SLICE_COUNT; other++) {
      total += sums[other * 32u + thread];
    }
  }
  workgroupBarrier();
  if (thread < 32u) {
    sums[thread] = total;
    sums[32u + thread] = squares;
  }
  workgroupBarrier();
  var all = Tokens();
  for (var other = 0u; other < min(32u, THREAD_COUNT); other++) {
    all += sums[32u + other];
  }
  let of_lane = Sums(
    //: repeat output
    sums[lane * 4u + ${output}u],
    //: end
  );
  return Product(of_lane, norm_factor(all));
}
