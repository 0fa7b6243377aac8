//: file shaders/lib/weight_fields.wgsl
// Codes of CODE_BITS, 5 or 6, of a block of 32 columns in as many words: word i holds FIELD_COUNT
// codes one after the other, of columns FIELD_COUNT * i and up, and 2 bits above them, which make
// the codes of columns 30 and 31. Words 4 and 5 are in the side data. So a code can be taken where
// it lies, times a power of 2, by one instruction. CODE_BITS is put before this.

const FIELD_COUNT = 32u / CODE_BITS;
const FIELD_MASK = (1u << CODE_BITS) - 1u;

struct Fields {
  v0: vec4<u32>,
  high: vec2<u32>,
}

// The code of column 30 or 31: of 6 bits from words 0 to 2 or 3 to 5; of 5 from words 0, 1, or 3,
// 4, and a bit of word 2.
fn last_code(fields: Fields, column: u32) -> u32 {
  let top = fields.v0 >> vec4<u32>(30u);
  let high_top = fields.high >> vec2<u32>(30u);
  let is_5 = CODE_BITS == 5u;
  let of_30 = top.x | (top.y << 2u) | (select(top.z, top.z & 1u, is_5) << 4u);
  let of_31 = top.w | (high_top.x << 2u) | (select(high_top.y, top.z >> 1u, is_5) << 4u);
  return select(of_30, of_31, column == 31u);
}

fn word_of(fields: Fields, column: u32) -> u32 {
  let index = column / FIELD_COUNT;
  return select(fields.v0[index & 3u], fields.high[index & 1u], index > 3u);
}

// Bits below a code in its word.
fn place_of(column: u32) -> u32 {
  return select(CODE_BITS * (column % FIELD_COUNT), 0u, column >= 30u);
}

// A code by 1. `column` is a literal.
fn code_of(fields: Fields, column: u32) -> i32 {
  let code = (word_of(fields, column) >> place_of(column)) & FIELD_MASK;
  return i32(select(code, last_code(fields, column), column >= 30u));
}

// The same where it lies.
fn code_at_place(fields: Fields, column: u32) -> i32 {
  let code = word_of(fields, column) & (FIELD_MASK << place_of(column));
  return i32(select(code, last_code(fields, column), column >= 30u));
}

// Of columns 4 * index to 4 * index + 3. `index` is a literal.
fn codes_of(fields: Fields, index: u32) -> vec4<i32> {
  let column = 4u * index;
  return vec4<i32>(
    code_of(fields, column),
    code_of(fields, column + 1u),
    code_of(fields, column + 2u),
    code_of(fields, column + 3u),
  );
}

fn codes_at_places(fields: Fields, index: u32) -> vec4<i32> {
  let column = 4u * index;
  return vec4<i32>(
    code_at_place(fields, column),
    code_at_place(fields, column + 1u),
    code_at_place(fields, column + 2u),
    code_at_place(fields, column + 3u),
  );
}

fn places_of(index: u32) -> vec4<u32> {
  let column = 4u * index;
  return vec4<u32>(
    place_of(column),
    place_of(column + 1u),
    place_of(column + 2u),
    place_of(column + 3u),
  );
}

// What undoes the places, by powers of 2. `index` need be no literal.
fn places_undone(index: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>((vec4<u32>(127u) - places_of(index)) << vec4<u32>(23u));
}

// The codes of columns 4 * index to 4 * index + 3, a byte each. `index` is a literal.
fn code_bytes(fields: Fields, index: u32) -> u32 {
  let codes = bitcast<vec4<u32>>(codes_of(fields, index));
  return codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
}
