//: file shaders/lib/xquant_codes.wgsl
// Minima, steps and levels of XQuant records. FORMAT.md section 10.
// Needs: f16_values of lib/kv_raw_tile.wgsl; {KEY,VALUE}_{BASE,SLOPE} in LEVEL_UNITS

// {minimum, step} of a group: exact, subnormal ones too.
fn group_params(word: u32) -> vec2<f32> {
  return f16_values(vec4(word & 0xffffu, word >> 16u, 0u, 0u)).xy;
}

// Units as steps.
fn level_of(units: u32) -> f32 {
  return f32(units) / f32(LEVEL_UNITS);
}

// What code 0 of a group reads as, and what each next code adds.
fn line_of(word: u32, base: u32, slope: u32) -> vec2<f32> {
  let params = group_params(word);
  return vec2(params.x + params.y * level_of(base), params.y * level_of(slope));
}
