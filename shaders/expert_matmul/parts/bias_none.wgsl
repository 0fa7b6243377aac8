//: file shaders/expert_matmul/parts/bias_none.wgsl
// No biases.

fn bias_at(expert: u32, output: u32) -> vec4<f32> {
  return vec4<f32>(0.0);
}
