//: file shaders/matmul/parts/by_codes.wgsl
// Any device: as by_slices.wgsl, of x as codes of 8 bits. Integers are multiplied and added
// exactly; a block's sum is scaled once. What codes of weights stand around is taken off by the
// sums of the codes of x, and so are minima added. The norm is in the scales of x.
// Markers: as product.wgsl; half (of a block), quarter (of the 4 parts of a half), half_scales
//          where 16 columns of the weight have a scale of their own.

@group(0) @binding(3) var<storage, read> x_sides: array<vec2<u32>>; // [rows, blocks]

//: if one_token
alias TokenWords = u32;
alias TokenSums = i32;
//: else
//: if two_tokens
alias TokenWords = vec2<u32>;
alias TokenSums = vec2<i32>;
//: else
alias TokenWords = vec4<u32>;
alias TokenSums = vec4<i32>;
//: end
//: end

fn add_dots(before: TokenSums, weight: u32, codes: TokenWords) -> TokenSums {
  //: if one_token
  return before + dot_of_bytes(weight, codes);
  //: else
  return before + TokenSums(
    //: repeat token
    dot_of_bytes(weight, codes[${token}]),
    //: end
  );
  //: end
}

fn add_block(before: Slice, group: u32, rows: vec4<u32>, block: u32, lane: u32) -> Slice {
  let at = group * BLOCK_COUNT + block;
  let side = load_shared(at, lane);
  let weights${output} = load_weights(at, ${output}u, lane, side);
  let x_at${token} = rows[${token}] * BLOCK_COUNT + block;
  let x_side${token} = x_sides[x_at${token}];
  let x_both${token} = vec2<u32>(x_side${token}.y << 16u, x_side${token}.y);
  let x_sums${token} = bitcast<vec2<i32>>(x_both${token}) >> vec2<u32>(16u);
  let x_scale = Tokens(
    //: repeat token
    bitcast<f32>(x_side${token}.x),
    //: end
  );
  //: repeat half
  let x_words${half}_${token} = x[x_at${token} * 2u + ${half}u];
  let x_sum${half} = TokenSums(
    //: repeat token
    x_sums${token}[${half}],
    //: end
  );
  var dots${half}_${output} = TokenSums();
  //: repeat quarter
  let codes${half}_${quarter} = TokenWords(
    //: repeat token
    x_words${half}_${token}[${quarter}],
    //: end
  );
  dots${half}_${output} = add_dots(
    dots${half}_${output},
    weight_bytes(weights${output}, 4u * ${half}u + ${quarter}u),
    codes${half}_${quarter},
  );
  //: end
  //: end
  let of_block = load_scales(at, lane);
  var slice = before;
  //: if half_scales
  let around${half} = CENTER * x_sum${half};
  //: repeat output
  var sum${output} = Tokens();
  sum${output} = fma(
    Tokens(weights${output}.scale[${half}]),
    Tokens(dots${half}_${output} - around${half}),
    sum${output},
  );
  slice.total.output${output} =
    fma(Tokens(of_block.scale[${output}u]) * x_scale, sum${output}, slice.total.output${output});
  //: end
  //: else
  let x_sum = x_sum0 + x_sum1;
  let block_sum = x_scale * Tokens(x_sum);
  let dots${output} = dots0_${output} + dots1_${output} - CENTER * x_sum;
  slice.total.output${output} = add_scaled(
    slice.total.output${output},
    x_scale * Tokens(dots${output}),
    block_sum,
    of_block,
    ${output}u,
  );
  //: end
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
