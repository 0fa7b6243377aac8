//: file shaders/lib/weight_side_none.wgsl
// Side data of plain formats: none.

alias Shared = u32;

struct Scales {
  scale: vec4<f32>,
  minimum: vec4<f32>,
}

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return 0u;
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  return Scales(vec4<f32>(1.0), vec4<f32>(0.0));
}
