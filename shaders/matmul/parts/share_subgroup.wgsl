//: file shaders/matmul/parts/share_subgroup.wgsl
// The workgroup is one subgroup of 8 lanes: each lane keeps the values of x that it loaded, and the
// others read them from its registers.

fn share(inputs: Inputs, thread: u32) {}

fn shared_columns(inputs: Inputs, thread: u32, lane: u32) -> Columns {
  let row0 = subgroupShuffle(inputs.row0, lane);
  let row1 = subgroupShuffle(inputs.row1, lane);
  let row2 = subgroupShuffle(inputs.row2, lane);
  let row3 = subgroupShuffle(inputs.row3, lane);
  return Columns(
    tokens(row0.x, row1.x, row2.x, row3.x),
    tokens(row0.y, row1.y, row2.y, row3.y),
    tokens(row0.z, row1.z, row2.z, row3.z),
    tokens(row0.w, row1.w, row2.w, row3.w),
  );
}

fn shared_sum(sum: Tokens, thread: u32) -> Tokens {
  return subgroupAdd(sum);
}

fn shared_squares(squares: Tokens, thread: u32) -> Tokens {
  return subgroupAdd(squares);
}

fn shared_total(total: Sums, thread: u32) -> Sums {
  return total;
}
