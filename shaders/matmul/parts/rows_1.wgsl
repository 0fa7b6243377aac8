//: file shaders/matmul/parts/rows_1.wgsl
// One row of x per workgroup.

alias Tokens = f32;
const TOKEN_COUNT = 1u;

fn tokens(row0: f32, row1: f32, row2: f32, row3: f32) -> Tokens {
  return row0;
}

fn token_of(values: Tokens, token: u32) -> f32 {
  return values;
}
