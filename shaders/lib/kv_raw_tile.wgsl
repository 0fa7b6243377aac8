//: file shaders/lib/kv_raw_tile.wgsl
// Values and places of a raw tile that is read as vec4<u32>. FORMAT.md section 5.
// Needs: KV_HEAD_COUNT, HEAD_SIZE, BLOCK_TOKENS

// Exact for every finite f16; infinity and NaN give some finite value.
fn f16_values(halves: vec4<u32>) -> vec4<f32> {
  let magnitude = halves & vec4(0x7fffu);
  let normal = bitcast<vec4<f32>>((magnitude << vec4(13u)) + vec4(0x38000000u));
  let subnormal = vec4<f32>(magnitude) * 0x1p-24f;
  let value = select(normal, subnormal, magnitude < vec4(0x400u));
  return select(value, -value, halves > vec4(0x7fffu));
}

// Not 0 where a half is infinity or NaN: the exponent carries out of its five bits if and only if
// they are all set.
fn f16_faults(words: vec4<u32>) -> vec4<u32> {
  return ((words & vec4(0x7c007c00u)) + vec4(0x04000400u)) & vec4(0x80008000u);
}

// The vec4 of channels 8 * group to 8 * group + 7 of a token, from the start of the tile.
fn tile_index(side: u32, group: u32, token: u32) -> u32 {
  if (side == 0u) {
    return group * BLOCK_TOKENS + token;
  }
  let groups_per_head = HEAD_SIZE / 8u;
  let head = group / groups_per_head;
  let value_start = KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 8u);
  return value_start + (head * BLOCK_TOKENS + token) * groups_per_head +
    group - head * groups_per_head;
}

fn min_of(value: vec4<f32>) -> f32 {
  return min(min(value.x, value.y), min(value.z, value.w));
}

fn max_of(value: vec4<f32>) -> f32 {
  return max(max(value.x, value.y), max(value.z, value.w));
}
