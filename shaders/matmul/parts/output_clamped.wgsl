//: file shaders/matmul/parts/output_clamped.wgsl
// Outputs 2i and 2i + 1 are gate i and up i: y[i] = g * sigmoid(SLOPE * g) * (u + 1), where g is
// the gate up to LIMIT, and u is up between -LIMIT and LIMIT.
//
// Source: gpt-oss; OpenAI 2025, arXiv:2508.10925

const LIMIT = 7.0;
const SLOPE = 1.702;

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs / 2]

fn clamped_product(gate: f32, up: f32) -> f32 {
  let kept = min(gate, LIMIT);
  return kept / (1.0 + exp(-SLOPE * kept)) * (clamp(up, -LIMIT, LIMIT) + 1.0);
}

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let at = (row * OUTPUT_COUNT + output) / 2u;
  if (output < OUTPUT_COUNT) {
    y[at] = clamped_product(values.x, values.y);
  }
  if (output + 2u < OUTPUT_COUNT) {
    y[at + 1u] = clamped_product(values.z, values.w);
  }
}
