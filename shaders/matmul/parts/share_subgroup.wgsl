//: file shaders/matmul/parts/share_subgroup.wgsl
// The workgroup is one subgroup of 8 lanes: each lane keeps the values of x that it loaded, and the
// others read them from its registers.

fn share(inputs: Inputs, thread: u32) {}

fn shared_columns(inputs: Inputs, thread: u32, lane: u32) -> Columns {
  let of_lane = Inputs(
    //: repeat token
    subgroupShuffle(inputs.row${token}, lane),
    //: end
  );
  return columns_of(of_lane);
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
