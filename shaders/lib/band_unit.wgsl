// Reading the sections of banded records. FORMAT.md sections 11.4 and 11.5.
// Needs: arena (binding), band_word(index): word `index` of the layer's bands; band_word.wgsl
//
// Eight digits of a unit, with low = band_low(band):
//   var fraction = unit_fraction(unit_word(payload, bit), min(band_bits(band), 32u));
//   let digit$k = unit_digit(fraction, low);
//   fraction = fraction * low;
// and with more than 16 levels (band_high(band) > 1) the same again, 32 bits further, with
// band_high(band) and band_bits(band) - 32: digits above the low four bits.

// 32 bits from bit `bit` of the payload that begins at word `base_word` of the arena.
fn unit_word(base_word: u32, bit: u32) -> u32 {
  let word = base_word + (bit >> 5u);
  let shift = bit & 31u;
  return (arena[word] >> shift) | ((arena[word + 1u] << 1u) << (31u - shift));
}

// The band of a pack: row 0 to 7 and channel 0 to 31 of the section at word `section`, whose first
// channel's bands are the eight from `first_band` on.
fn band_entry(section: u32, row: u32, channel: u32, first_band: u32) -> u32 {
  let planes = section + row * 3u;
  let index = ((arena[planes] >> channel) & 1u) |
    (((arena[planes + 1u] >> channel) & 1u) << 1u) |
    (((arena[planes + 2u] >> channel) & 1u) << 2u);
  return band_word(first_band + channel * 8u + index);
}

// A number of `bits` bits, the lowest of `word`, as a binary fraction. What 0 bits give has only
// digits of one level, which are 0 whatever it is.
fn unit_fraction(word: u32, bits: u32) -> u32 {
  return word << ((32u - bits) & 31u);
}

// The first digit of a fraction. Where levels are not a power of two, numbers have at most 28 bits,
// so that the four bits that are dropped are 0.
fn unit_digit(fraction: u32, levels: u32) -> u32 {
  return ((fraction >> 4u) * levels) >> 28u;
}
