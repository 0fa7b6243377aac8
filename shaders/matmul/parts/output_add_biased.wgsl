//: file shaders/matmul/parts/output_add_biased.wgsl
// y = y + FACTOR * (outputs + bias): the residual connection of a product with a bias.

override FACTOR: f32 = 1.0;

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs]
@group(0) @binding(5) var<storage, read> bias: array<f32>; // [outputs]

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  for (var i = 0u; i < min(4u, OUTPUT_COUNT - min(output, OUTPUT_COUNT)); i++) {
    y[row * OUTPUT_COUNT + output + i] += FACTOR * (values[i] + bias[output + i]);
  }
}
