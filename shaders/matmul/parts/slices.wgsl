//: file shaders/matmul/parts/slices.wgsl
// Workgroups of SLICE_COUNT times 8 lanes, whose sums are added in the end.
// Markers: as product.wgsl.

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
