//: file shaders/matmul/parts/share_workgroup.wgsl
// Any device, any number of slices: the values of x and the sums pass through workgroup memory.

var<workgroup> columns_by_lane: array<Columns, THREAD_COUNT>;
var<workgroup> sum_by_lane: array<Tokens, THREAD_COUNT>;
var<workgroup> total_by_lane: array<Sums, THREAD_COUNT>;

fn share(inputs: Inputs, thread: u32) {
  workgroupBarrier(); // the values of the round before have been read
  columns_by_lane[thread] = columns_of(inputs);
  sum_by_lane[thread] = sum_of(inputs);
  workgroupBarrier();
}

fn shared_columns(inputs: Inputs, thread: u32, lane: u32) -> Columns {
  return columns_by_lane[(thread & ~(LANE_COUNT - 1u)) + lane];
}

fn shared_sum(sum: Tokens, thread: u32) -> Tokens {
  let first = thread & ~(LANE_COUNT - 1u);
  var total = Tokens();
  for (var lane = 0u; lane < LANE_COUNT; lane++) {
    total += sum_by_lane[first + lane];
  }
  return total;
}

fn shared_squares(squares: Tokens, thread: u32) -> Tokens {
  workgroupBarrier();
  sum_by_lane[thread] = squares;
  workgroupBarrier();
  var total = Tokens();
  for (var other = 0u; other < THREAD_COUNT; other++) {
    total += sum_by_lane[other];
  }
  return total;
}

// The sums over all slices, for the lanes of the first.
fn shared_total(total: Sums, thread: u32) -> Sums {
  total_by_lane[thread] = total;
  workgroupBarrier();
  var all = total;
  let lane = thread & (LANE_COUNT - 1u);
  for (var other = lane + LANE_COUNT; other < THREAD_COUNT; other += LANE_COUNT) {
    all.output${output} += total_by_lane[other].output${output};
  }
  return all;
}
