//: file shaders/expert_matmul/parts/bias_add.wgsl
// Each output of each expert has a bias.

@group(0) @binding(6) var<storage, read> biases: array<vec4<f32>>; // [experts, outputs / 4]

fn bias_at(expert: u32, output: u32) -> vec4<f32> {
  return biases[(expert * OUTPUT_COUNT + output) / 4u];
}
