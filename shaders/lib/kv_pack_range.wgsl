// The minimum and width of a pack of codes. FORMAT.md section 4.
// Needs: codes, order (bindings); PACK_SIZE

var<workgroup> section_order: array<u32, 64>; // packed place -> original token

// The code at a packed place of the channel whose 16 words of codes begin at `channel_start`.
fn code_at(channel_start: u32, place: u32) -> u32 {
  let token = section_order[place];
  return (codes[channel_start + (token >> 2u)] >> (8u * (token & 3u))) & 0xffu;
}

// {minimum, width} of the present tokens of a row; {0, 0} if there are none.
fn pack_range(channel_start: u32, row: u32, token_count: u32) -> vec2<u32> {
  var low = 255u;
  var high = 0u;
  let end = min((row + 1u) * PACK_SIZE, token_count);
  for (var place = row * PACK_SIZE; place < end; place++) {
    let code = code_at(channel_start, place);
    low = min(low, code);
    high = max(high, code);
  }
  if (row * PACK_SIZE >= token_count) {
    low = 0u;
  }
  return vec2(low, 32u - countLeadingZeros(high - low));
}
