//: file shaders/matmul/parts/rows_4.wgsl
// Four rows of x per workgroup: each weight is expanded once for all of them.

alias Tokens = vec4<f32>;
const TOKEN_COUNT = 4u;

fn tokens(row0: f32, row1: f32, row2: f32, row3: f32) -> Tokens {
  return Tokens(row0, row1, row2, row3);
}

fn token_of(values: Tokens, token: u32) -> f32 {
  return values[token];
}
