//: file shaders/matmul/parts/scale_of_outputs.wgsl
// Scale and minimum of one of a lane's 4 outputs, from those of all: for formats without a text of
// their own for it.

fn load_scale(group_block: u32, lane: u32, output: u32) -> vec2<f32> {
  let all = load_scales(group_block, lane);
  return vec2<f32>(all.scale[output], all.minimum[output]);
}
