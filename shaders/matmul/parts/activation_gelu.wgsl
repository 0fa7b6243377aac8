//: file shaders/matmul/parts/activation_gelu.wgsl
// gelu(gate) * up. GELU by tanh, Hendrycks & Gimpel 2016, arXiv:1606.08415:
// v / 2 * (1 + tanh(t)) = v / (1 + exp(-2 t)).

const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const EXPONENT_MAX: f32 = 80.0; // exp of it is finite, and 1 more makes no difference to it

fn activated(gate: f32, up: f32) -> f32 {
  let inner = SQRT_2_OVER_PI * gate * (1.0 + 0.044715 * gate * gate);
  return gate / (1.0 + exp(min(-2.0 * inner, EXPONENT_MAX))) * up;
}
