//: file shaders/matmul/parts/output_add.wgsl
// y = y + FACTOR * outputs: the residual connection.

override FACTOR: f32 = 1.0;

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs]

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  for (var i = 0u; i < min(4u, OUTPUT_COUNT - min(output, OUTPUT_COUNT)); i++) {
    y[row * OUTPUT_COUNT + output + i] += FACTOR * values[i];
  }
}
