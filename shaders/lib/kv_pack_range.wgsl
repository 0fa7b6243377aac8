//: file shaders/lib/kv_pack_range.wgsl
// The minimum and width of a pack of codes. FORMAT.md section 6.4.
// Needs: codes (binding); PACK_SIZE, BLOCK_TOKENS

var<workgroup> section_order: array<u32, BLOCK_TOKENS>; // packed place -> original token

// The code at a packed place of the channel whose words of codes begin at `channel_start`.
fn code_at(channel_start: u32, place: u32) -> u32 {
  let token = section_order[place];
  return (codes[channel_start + (token >> 2u)] >> (8u * (token & 3u))) & 0xffu;
}

// {least, greatest} code of the present tokens of a row; {255, 0} if there are none.
fn pack_bounds(channel_start: u32, row: u32, token_count: u32) -> vec2<u32> {
  var bounds = vec2(255u, 0u);
  let end = min((row + 1u) * PACK_SIZE, token_count);
  for (var place = row * PACK_SIZE; place < end; place++) {
    let code = code_at(channel_start, place);
    bounds = vec2(min(bounds.x, code), max(bounds.y, code));
  }
  return bounds;
}

// {minimum, width} of the present tokens of a row; {0, 0} if there are none.
fn pack_range(channel_start: u32, row: u32, token_count: u32) -> vec2<u32> {
  let bounds = pack_bounds(channel_start, row, token_count);
  let low = select(bounds.x, 0u, row * PACK_SIZE >= token_count);
  return vec2(low, 32u - countLeadingZeros(bounds.y - low));
}
