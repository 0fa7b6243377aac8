//: file shaders/matmul/parts/output_pairs.wgsl
// Outputs 2i and 2i + 1 are gate i and up i: y[i] = activated(gate, up), of an activation_*.

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs / 2]

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let at = (row * OUTPUT_COUNT + output) / 2u;
  if (output < OUTPUT_COUNT) {
    y[at] = activated(values.x, values.y);
  }
  if (output + 2u < OUTPUT_COUNT) {
    y[at + 1u] = activated(values.z, values.w);
  }
}
