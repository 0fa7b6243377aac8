//: file shaders/lib/kv_band_choice.wgsl
// The band of a pack. FORMAT.md section 7.3.
// Needs: bands (binding), PACK_SIZE; appended: kv_pack_range.wgsl, band_word.wgsl

// Index of the first of a channel's eight bands that holds all codes; 0 for a pack with none.
fn choose_band(bands_start: u32, bounds: vec2<u32>) -> u32 {
  var index = 0u;
  while (index < 7u && bounds.x <= bounds.y) {
    let band = bands[bands_start + index];
    let least = band_least(band);
    if (least <= bounds.x && bounds.y < least + band_low(band) * band_high(band)) {
      break;
    }
    index++;
  }
  return index;
}
