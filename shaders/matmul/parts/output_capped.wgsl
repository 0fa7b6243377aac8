//: file shaders/matmul/parts/output_capped.wgsl
// y = CAP * tanh(outputs / CAP). Some drivers make NaN of the tanh of a large value.

override CAP: f32;

@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [rows, outputs]

fn put_outputs(row: u32, output: u32, values: vec4<f32>) {
  let capped = CAP * tanh(clamp(values / CAP, vec4<f32>(-20.0), vec4<f32>(20.0)));
  for (var i = 0u; i < min(4u, OUTPUT_COUNT - min(output, OUTPUT_COUNT)); i++) {
    y[row * OUTPUT_COUNT + output + i] = capped[i];
  }
}
