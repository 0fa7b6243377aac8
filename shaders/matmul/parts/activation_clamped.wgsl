//: file shaders/matmul/parts/activation_clamped.wgsl
// g * sigmoid(SLOPE * g) * (u + 1), where g is the gate up to LIMIT, and u is up between -LIMIT and
// LIMIT.
//
// Source: gpt-oss; OpenAI 2025, arXiv:2508.10925

const LIMIT = 7.0;
const SLOPE = 1.702;

fn activated(gate: f32, up: f32) -> f32 {
  let kept = min(gate, LIMIT);
  return kept / (1.0 + exp(-SLOPE * kept)) * (clamp(up, -LIMIT, LIMIT) + 1.0);
}
