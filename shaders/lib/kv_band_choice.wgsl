//: file shaders/lib/kv_band_choice.wgsl
// The band of a pack. FORMAT.md section 7.3.
// Needs: bands, points (bindings), PACK_SIZE, POINT_STARTS; appended: kv_pack_range.wgsl,
//        band_word.wgsl

const POINT_MIDDLE: i32 = 4;
const NO_PLACE: u32 = 0xffffffffu;

// A pack of codes: where those of its channel begin, its row, and how many of the row are present.
struct Pack {
  codes_start: u32,
  row: u32,
  bounds: vec2<u32>,
  is_whole: bool,
}

fn pack_at(codes_start: u32, row: u32, token_count: u32) -> Pack {
  let is_whole = (row + 1u) * PACK_SIZE <= token_count;
  return Pack(codes_start, row, pack_bounds(codes_start, row, token_count), is_whole);
}

// The place of a whole pack among the points next to a middle, whose ball begins at `least`;
// NO_PLACE if it has none.
fn place_of(pack: Pack, least: u32) -> u32 {
  var word = 0u;
  var parity = 0u;
  for (var place = 0u; place < PACK_SIZE; place++) {
    let digit = code_at(pack.codes_start, pack.row * PACK_SIZE + place) - least;
    word = (word << 3u) | digit;
    parity ^= digit;
  }
  // Four times the squared distance, of codes read as points.
  let half = i32(parity & 1u);
  var distance = 0;
  for (var place = 0u; place < PACK_SIZE; place++) {
    let digit = i32((word >> (3u * place)) & 7u);
    let twice = 2 * (digit - POINT_MIDDLE) + select(half, -half, place == 0u);
    distance += twice * twice;
  }
  if (distance > 24) {
    return NO_PLACE;
  }
  var low = POINT_STARTS[distance / 8];
  var high = POINT_STARTS[distance / 8 + 1];
  while (low < high) {
    let middle = (low + high) / 2u;
    if (points[middle] < word) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  let found = min(low, POINT_COUNT - 1u);
  return select(NO_PLACE, low, low < POINT_COUNT && points[found] == word);
}

// Index of the first of a channel's eight bands that holds a pack; 0 for a pack without codes.
fn choose_band(bands_start: u32, pack: Pack) -> u32 {
  let bounds = pack.bounds;
  var index = 0u;
  var place = NO_PLACE;
  var has_place = false; // whether it is known: all balls of a channel have one middle
  while (index < 7u && bounds.x <= bounds.y) {
    let band = bands[bands_start + index];
    let least = band_least(band);
    if (least <= bounds.x && bounds.y < least + band_low(band) * band_high(band)) {
      if (!is_ball(band)) {
        break;
      }
      if (!has_place && pack.is_whole) {
        place = place_of(pack, least);
      }
      has_place = true;
      if (place < (1u << band_bits(band))) {
        break;
      }
    }
    index++;
  }
  return index;
}
