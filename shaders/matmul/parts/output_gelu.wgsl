//: file shaders/matmul/parts/output_gelu.wgsl
// Outputs 2i and 2i + 1 are gate i and up i: y[i] = gelu(gate) * up. GELU by tanh, Hendrycks &
// Gimpel 2016, arXiv:1606.08415: v / 2 * (1 + tanh(t)) = v / (1 + exp(-2 t)).

const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const EXPONENT_MAX: f32 = 80.0; // exp of it is finite, and 1 more makes no difference to it

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs / 2]

fn gelu(value: f32) -> f32 {
  let inner = SQRT_2_OVER_PI * value * (1.0 + 0.044715 * value * value);
  return value / (1.0 + exp(min(-2.0 * inner, EXPONENT_MAX)));
}

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let at = (row * OUTPUT_COUNT + output) / 2u;
  if (output < OUTPUT_COUNT) {
    y[at] = gelu(values.x) * values.y;
  }
  if (output + 2u < OUTPUT_COUNT) {
    y[at + 1u] = gelu(values.z) * values.w;
  }
}
