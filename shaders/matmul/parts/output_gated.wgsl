//: file shaders/matmul/parts/output_gated.wgsl
// Outputs are gates: y[i] = activated(output i, up[i]), of an activation_*; what a row of up has
// behind its first values is left.

override UP_COLUMN_COUNT: u32; // from a row of up to the next

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs]
@group(0) @binding(8) var<storage, read> up: array<f32>; // [rows, UP_COLUMN_COUNT]

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  for (var i = 0u; i < min(4u, OUTPUT_COUNT - min(output, OUTPUT_COUNT)); i++) {
    let at = output + i;
    y[row * OUTPUT_COUNT + at] = activated(values[i], up[row * UP_COLUMN_COUNT + at]);
  }
}
