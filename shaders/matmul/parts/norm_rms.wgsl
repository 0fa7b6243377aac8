//: file shaders/matmul/parts/norm_rms.wgsl
// RMSNorm of x: each column by its weight, and the results by 1 / sqrt(mean(x^2) + epsilon).

@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>; // [columns / 4]

fn norm_weight_at(index: u32) -> vec4<f32> {
  return norm_weight[index];
}

fn norm_factor(squares: Tokens) -> Tokens {
  return inverseSqrt(squares / f32(COLUMN_COUNT) + Tokens(EPSILON));
}
