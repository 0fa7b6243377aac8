//: file shaders/matmul/parts/output_silu.wgsl
// Outputs 2i and 2i + 1 are gate i and up i: y[i] = silu(gate) * up.

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs / 2]

fn silu(value: f32) -> f32 {
  return value / (1.0 + exp(-value));
}

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let at = (row * OUTPUT_COUNT + output) / 2u;
  if (output < OUTPUT_COUNT) {
    y[at] = silu(values.x) * values.y;
  }
  if (output + 2u < OUTPUT_COUNT) {
    y[at + 1u] = silu(values.z) * values.w;
  }
}
