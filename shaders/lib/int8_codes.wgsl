//: file shaders/lib/int8_codes.wgsl
// Codes and scales of int8 records. FORMAT.md section 8.
// Needs: arena

// The four signed bytes of a word.
fn code_values(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}

// Scale of a token, from its section's first word.
fn token_scale(section: u32, token: u32) -> f32 {
  let pair = unpack2x16float(arena[section + (token >> 1u)]);
  return select(pair.x, pair.y, (token & 1u) == 1u);
}
