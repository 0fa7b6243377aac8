//: file shaders/lib/sample_weights.wgsl
// What is drawn from: a slot's settings, the weights of tokens, and a random number.
//
// Source: Jarzynski & Olano 2020, JCGT 9(3), pcg2d (random numbers)
// Twins:  src/core/sampling.ts; randomShare in src/reference/sample.ts

const LOWEST: f32 = -3.4028234e38;
const TEMPERATURE_MIN: f32 = 1e-5; // below: greedy
const EXPONENT_MIN: f32 = -87.0; // weights below exp of it are 0

struct Settings {
  temperature: f32,
  top_p: f32,
  min_p: f32,
  top_k: u32,
  seed: u32,
  unused: array<u32, 3>,
}

var<private> top_logit: f32;
var<private> inverse_temperature: f32;

fn is_greedy(settings: Settings) -> bool {
  return settings.temperature < TEMPERATURE_MIN || settings.top_k == 1u;
}

// Relative to the most likely token, whose weight is 1.
fn weight_of(logit: f32) -> f32 {
  let exponent = (logit - top_logit) * inverse_temperature;
  return select(0.0, exp(exponent), exponent > EXPONENT_MIN);
}

fn weights_of(values: vec4<f32>) -> vec4<f32> {
  let exponents = (values - top_logit) * inverse_temperature;
  return select(vec4<f32>(0.0), exp(exponents), exponents > vec4<f32>(EXPONENT_MIN));
}

// A number in [0, 1), a multiple of 2^-24, that depends on nothing but its arguments.
fn random_share(seed: u32, position: u32) -> f32 {
  var v = vec2<u32>(seed, position) * 1664525u + 1013904223u;
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= v >> vec2<u32>(16u);
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= v >> vec2<u32>(16u);
  return f32(v.x >> 8u) / 16777216.0;
}
