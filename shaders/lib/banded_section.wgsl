//: file shaders/lib/banded_section.wgsl
// Sections of a banded record of which channels may be dropped. FORMAT.md section 7.5.
// Twin:  src/codec/banded/dropped.ts
// Needs: PLANE_WORDS

const DROPS_FLAG: u32 = 0x80000000u; // in the section table
const SIZE_PAYLOAD_BITS: u32 = 16u; // of a measured size; dropped channels are counted above

// Words before the units of a section with this many of its 32 channels.
fn head_words(channel_count: u32) -> u32 {
  return select(1u + (24u * channel_count + 31u) / 32u, PLANE_WORDS, channel_count == 32u);
}

fn section_size(payload_words: u32, channel_count: u32) -> u32 {
  return payload_words | ((32u - channel_count) << SIZE_PAYLOAD_BITS);
}

// Words of a section of a size.
fn section_words(size: u32) -> u32 {
  let payload_words = size & ((1u << SIZE_PAYLOAD_BITS) - 1u);
  return payload_words + head_words(32u - (size >> SIZE_PAYLOAD_BITS));
}
