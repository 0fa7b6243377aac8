//: file shaders/lib/weight_scales.wgsl
// What the side data of every weight format give: value = scale * code + minimum.

// Of a lane's 4 outputs.
struct Scales {
  scale: vec4<f32>,
  minimum: vec4<f32>,
}
