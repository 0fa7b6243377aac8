//: file shaders/lib/kv_scale.wgsl
// A token's scale from its step, and the reciprocal without a division that devices round
// differently. FORMAT.md sections 6.1 and 6.2.
// Used by: kv_quantise/paper.wgsl, kv_quantise/int8.wgsl

const SCALE_MIN = 0x1p-14f;

// {scale as f16 bits, reciprocal as f32 bits} of a step from SCALE_MIN to the largest f16.
fn scale_of(step: f32) -> vec2<u32> {
  let bits = bitcast<u32>(step);
  let rounded = (bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u;
  let significand = ((rounded >> 13u) & 0x3ffu) | 0x400u;
  let quotient = 0x80000000u / significand;
  let rest = 0x80000000u - quotient * significand;
  let digits = quotient * 8u + rest * 8u / significand;
  let power = bitcast<f32>((230u - (rounded >> 23u)) << 23u);
  return vec2((rounded >> 13u) - (112u << 10u), bitcast<u32>(f32(digits) * power));
}
