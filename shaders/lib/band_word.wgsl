//: file shaders/lib/band_word.wgsl
// What a band's word holds. FORMAT.md section 7.1.

// Least code of a band.
fn band_least(band: u32) -> u32 {
  return band & 0xffu;
}

// Levels of the low digits, 1 to 16.
fn band_low(band: u32) -> u32 {
  return (band >> 8u) & 31u;
}

// Levels of the high digits: 1, 2, 4, 8 or 16.
fn band_high(band: u32) -> u32 {
  return (band >> 13u) & 31u;
}

// Whether it is a ball, of which a unit is a point's place.
fn is_ball(band: u32) -> bool {
  return (band & 0x2000000u) != 0u;
}

// Bits of a unit, 0 to 64.
fn band_bits(band: u32) -> u32 {
  return (band >> 18u) & 127u;
}
