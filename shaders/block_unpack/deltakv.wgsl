//: file shaders/block_unpack/deltakv.wgsl
// block_unpack/deltakv: DeltaKV blocks to raw f16 tiles:
//   x[t, c] = (code + zero_t) * scale_t, rounded to f16 and clipped to its range; in a section that
//   is described code = (bits + mean of the token's centres - 2^(b - 1)) mod 2^b
//
// Source:    src/codec/FORMAT.md section 11; arXiv:2602.08005
// Binds:     src/kernels/block_unpack/deltakv.ts
// Reference: src/reference/block_unpack/deltakv.ts
// Grid:      (section, block of the segment); 64 threads, one for each packed place
// Precision: integer codes, one f32 product, f16 out
// Shared:    lib/deltakv_centres.wgsl, lib/kv_raw_tile.wgsl, lib/row.wgsl
//
// The places of centres leave their codes for the others first; then all read, eight packs at a
// time, without waiting for each other.

const F16_MAX: f32 = 65504.0;
const SECTION_COUNT = 2u * KV_HEAD_COUNT;
const PLANE_WORDS = HEAD_SIZE / 32u;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
// [2]: first block; row whose list it is of
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment
@group(0) @binding(5) var<storage, read> turns: array<u32>;

var<workgroup> centre_codes: array<u32, CENTRE_COUNT * (HEAD_SIZE / 4u)>; // bytes
var<private> zeros: array<i32, CENTRE_COUNT>;

// Where the packs of a place lie.
struct Packs {
  section: u32,
  minima_word: u32,
  payload_word: u32,
  row: u32,
  place: u32, // within a pack
  bits: u32, // of a code
  width_bits: u32,
}

fn quanta_of(centre: u32, eight: u32) -> Eight {
  let first = centre * (HEAD_SIZE / 4u) + eight * 2u;
  let low = vec4<i32>(unpack4xU8(centre_codes[first]));
  let high = vec4<i32>(unpack4xU8(centre_codes[first + 1u]));
  return Eight(low + zeros[centre], high + zeros[centre]);
}

fn has_table(record: u32) -> bool {
  var flags = 0u;
  for (var word = 0u; word < TABLE_WORD; word++) {
    flags |= arena[record + word];
  }
  return flags != 0u;
}

// The centres of a token.
fn centres_of(record: u32, token: u32) -> u32 {
  var mask = 0u;
  for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
    let word = arena[record + TABLE_WORD + 2u * centre + (token >> 5u)];
    mask |= ((word >> (token & 31u)) & 1u) << centre;
  }
  return mask;
}

// A field of less than 32 bits.
fn read_bits(first_word: u32, bit: u32, width: u32) -> u32 {
  let word = first_word + (bit >> 5u);
  let shift = bit & 31u;
  var value = arena[word] >> shift;
  if (shift + width > 32u) {
    value |= arena[word + 1u] << (32u - shift);
  }
  return value & ((1u << width) - 1u);
}

// Widths of all packs of the rows before one.
fn widths_before(section: u32, row: u32, width_bits: u32) -> u32 {
  var sum = 0u;
  for (var word = 0u; word < row * width_bits * PLANE_WORDS; word++) {
    sum += countOneBits(arena[section + word]) << (word / PLANE_WORDS % width_bits);
  }
  return sum;
}

// The codes of eight channels, or what they differ by; `bit` goes on to the next pack.
fn read_eight(packs: Packs, eight: u32, bit: ptr<function, u32>) -> Eight {
  var planes = vec4<u32>(0u);
  for (var plane = 0u; plane < packs.width_bits; plane++) {
    let word = packs.section + (packs.row * packs.width_bits + plane) * PLANE_WORDS + eight / 4u;
    planes[plane] = arena[word] >> (8u * (eight % 4u));
  }
  var found = Eight(vec4(0i), vec4(0i));
  let first = (packs.row * HEAD_SIZE + eight * 8u) * packs.bits;
  for (var i = 0u; i < 8u; i++) {
    let bits = (planes >> vec4(i)) & vec4(1u);
    let width = bits.x | (bits.y << 1u) | (bits.z << 2u) | (bits.w << 3u);
    let minimum = read_bits(packs.minima_word, first + i * packs.bits, packs.bits);
    let field = read_bits(packs.payload_word, *bit + packs.place * width, width);
    let code = i32(minimum + field);
    if (i < 4u) {
      found.low[i] = code;
    } else {
      found.high[i - 4u] = code;
    }
    *bit += PACK_SIZE * width;
  }
  return found;
}

// Leaves the codes of a centre.
fn leave(packs: Packs, centre: u32, first_bit: u32) {
  var bit = first_bit;
  for (var eight = 0u; eight < HEAD_SIZE / 8u; eight++) {
    let own = read_eight(packs, eight, &bit);
    let word = centre * (HEAD_SIZE / 4u) + eight * 2u;
    centre_codes[word] = pack4xU8(vec4<u32>(own.low));
    centre_codes[word + 1u] = pack4xU8(vec4<u32>(own.high));
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) place: u32,
) {
  let block = segment[0] + workgroup_id.y;
  if (block >= rows[segment[1]].list_count) {
    return;
  }
  let index = workgroup_id.x;
  let is_value = index >= KV_HEAD_COUNT;
  let side = u32(is_value);
  let bits = select(KEY_BITS, VALUE_BITS, is_value);
  let width_bits = select(KEY_WIDTH_BITS, VALUE_WIDTH_BITS, is_value);
  let record = directory[rows[segment[1]].list_start + block].record;
  let is_ordered = has_table(record);
  let token = select(place, token_at(place), is_ordered);
  let body = record + FLAG_WORDS + select(0u, TABLE_WORDS, is_ordered);
  let section = body + arena[body + index];
  let minima_word = section + (BLOCK_TOKENS / PACK_SIZE) * width_bits * PLANE_WORDS;
  let payload_word = minima_word + (BLOCK_TOKENS / PACK_SIZE) * bits * PLANE_WORDS;
  let first_params = body + SECTION_COUNT + side * BLOCK_TOKENS;
  let params = arena[first_params + place];
  let scale = unpack2x16float(params).x;
  let zero = bitcast<i32>(params) >> 16u;
  let is_described = ((arena[record + index / 32u] >> (index % 32u)) & 1u) != 0u;
  var mask = 0u;
  if (is_described) {
    mask = centres_of(record, token);
    for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
      let word = arena[first_params + centre];
      ratios[centre] = scale_ratio(word, params);
      zeros[centre] = bitcast<i32>(word) >> 16u;
    }
  }

  let row = place / PACK_SIZE;
  let packs =
    Packs(section, minima_word, payload_word, row, place % PACK_SIZE, bits, width_bits);
  let first_bit = PACK_SIZE * widths_before(section, row, width_bits);
  if (is_described && place < CENTRE_COUNT) {
    leave(packs, place, first_bit);
  }
  workgroupBarrier();

  let code_mask = (1i << bits) - 1i;
  let half = (code_mask + 1i) / 2i;
  var bit = first_bit;
  let tile = workgroup_id.y * (KV_HEAD_COUNT * HEAD_SIZE * (BLOCK_TOKENS / 4u));
  for (var eight = 0u; eight < HEAD_SIZE / 8u; eight++) {
    var own = read_eight(packs, eight, &bit);
    if (mask != 0u) {
      let said = codes_said(mask, token, eight, zero, is_value);
      own = Eight(
        (own.low + said.low - half) & vec4(code_mask),
        (own.high + said.high - half) & vec4(code_mask),
      );
    }
    let low = read_back(own.low + zero, scale);
    let high = read_back(own.high + zero, scale);
    tiles[tile + tile_index(side, (index % KV_HEAD_COUNT) * (HEAD_SIZE / 8u) + eight, token)] =
      vec4(low, high);
  }
}

// Four values as two words of f16.
fn read_back(values: vec4<i32>, scale: f32) -> vec2<u32> {
  let clipped = clamp(vec4<f32>(values) * scale, vec4(-F16_MAX), vec4(F16_MAX));
  return vec2(pack2x16float(clipped.xy), pack2x16float(clipped.zw));
}
