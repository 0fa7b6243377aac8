//: file shaders/kv_pack/paper.wgsl
// kv_pack/paper: arena[targets[job, store] ..] = the record of the job's block
//
// Source:    src/codec/FORMAT.md section 6.4
// Binds:     src/kernels/kv_pack/paper.ts
// Reference: src/reference/kv_pack/paper.ts
// Grid:      (section, store of the arena, job); 64 threads stride over the channels
// Precision: integers
// Shared:    lib/kv_pack_range.wgsl
//
// A section is put together in workgroup memory, where packs that share a word meet by atomic or;
// then it is copied out whole. Nothing is written outside the record's own words.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32;
override STORE_COUNT: u32;
override PACK_SIZE: u32; // 4, 8, 16 or 32
override KEY_BITS: u32;
override VALUE_BITS: u32;
override KEY_WIDTH_BITS: u32;
override VALUE_WIDTH_BITS: u32;
override SECTION_WORDS_MAX: u32;
override NO_RECORD: u32; // of a store that the job has no record of
override HEAD_WORDS: u32; // before a record, whose head something else writes
override TABLE_WORDS: u32; // and these, where the first size has HAS_TABLE
override HAS_TABLE: u32;

@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>; // {-, -, token_count, scratch}
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [scratch][store][side][c][words]
@group(0) @binding(2) var<storage, read> params: array<u32>; // [scratch][store][side][tokens]
@group(0) @binding(3) var<storage, read> order: array<u32>; // [scratch][store][tokens]
@group(0) @binding(4) var<storage, read> sizes: array<u32>; // [scratch][store][section]
@group(0) @binding(5) var<storage, read> targets: array<u32>; // [job][store], words
@group(0) @binding(6) var<storage, read> first_store: array<u32>; // [1]
@group(0) @binding(7) var<storage, read_write> arena: array<u32>;

var<workgroup> image: array<atomic<u32>, SECTION_WORDS_MAX>;

// What differs between K and V, in words from the section's start.
struct Section {
  bits: u32, // of a code
  width_bits: u32, // planes of widths
  minima_word: u32,
  payload_word: u32,
}

fn section_of(side: u32) -> Section {
  let bits = select(KEY_BITS, VALUE_BITS, side == 1u);
  let width_bits = select(KEY_WIDTH_BITS, VALUE_WIDTH_BITS, side == 1u);
  let plane_words = HEAD_SIZE / 32u;
  let row_count = BLOCK_TOKENS / PACK_SIZE;
  let minima_word = row_count * width_bits * plane_words;
  return Section(bits, width_bits, minima_word, minima_word + row_count * bits * plane_words);
}

fn minimum_bit(section: Section, row: u32, channel: u32) -> u32 {
  return section.minima_word * 32u + (row * HEAD_SIZE + channel) * section.bits;
}

fn write_image(bit: u32, value: u32, width: u32) {
  let shift = bit & 31u;
  atomicOr(&image[bit >> 5u], value << shift);
  if (shift + width > 32u) {
    atomicOr(&image[(bit >> 5u) + 1u], value >> (32u - shift));
  }
}

fn read_image(bit: u32, width: u32) -> u32 {
  let shift = bit & 31u;
  var value = atomicLoad(&image[bit >> 5u]) >> shift;
  if (shift + width > 32u) {
    value |= atomicLoad(&image[(bit >> 5u) + 1u]) << (32u - shift);
  }
  return value & ((1u << width) - 1u);
}

// {widths before the channel, widths of the whole row, own width}, from the planes in the image.
fn row_widths(section: Section, row: u32, channel: u32) -> vec3<u32> {
  let plane_words = HEAD_SIZE / 32u;
  let own_word = channel >> 5u;
  let own_bit = 1u << (channel & 31u);
  var found = vec3<u32>(0u);
  for (var plane = 0u; plane < section.width_bits; plane++) {
    for (var word = 0u; word < plane_words; word++) {
      let bits = atomicLoad(&image[(row * section.width_bits + plane) * plane_words + word]);
      let is_own = word == own_word;
      let before = select(select(0u, bits, word < own_word), bits & (own_bit - 1u), is_own);
      let own = select(0u, 1u, is_own && (bits & own_bit) != 0u);
      found += vec3(countOneBits(before), countOneBits(bits), own) << vec3(plane);
    }
  }
  return found;
}

fn write_ranges(section: Section, start: u32, channel: u32, token_count: u32) {
  let plane_words = HEAD_SIZE / 32u;
  for (var row = 0u; row < BLOCK_TOKENS / PACK_SIZE; row++) {
    let range = pack_range(start + channel * CODE_WORDS, row, token_count);
    for (var plane = 0u; plane < section.width_bits; plane++) {
      let word = (row * section.width_bits + plane) * plane_words + (channel >> 5u);
      atomicOr(&image[word], ((range.y >> plane) & 1u) << (channel & 31u));
    }
    write_image(minimum_bit(section, row, channel), range.x, section.bits);
  }
}

fn write_payload(section: Section, start: u32, channel: u32, token_count: u32) {
  var row_start = section.payload_word * 32u;
  for (var row = 0u; row < BLOCK_TOKENS / PACK_SIZE; row++) {
    let widths = row_widths(section, row, channel);
    let width = widths.z;
    let minimum = read_image(minimum_bit(section, row, channel), section.bits);
    let bit = row_start + PACK_SIZE * widths.x;
    var word = bit >> 5u;
    var shift = bit & 31u;
    var gathered = 0u;
    let end = min((row + 1u) * PACK_SIZE, token_count);
    for (var place = row * PACK_SIZE; place < end && width > 0u; place++) {
      let value = code_at(start + channel * CODE_WORDS, place) - minimum;
      gathered |= value << shift;
      shift += width;
      if (shift >= 32u) {
        atomicOr(&image[word], gathered);
        word++;
        shift -= 32u;
        gathered = value >> (width - shift);
      }
    }
    if (gathered != 0u) {
      atomicOr(&image[word], gathered);
    }
    row_start += PACK_SIZE * widths.y;
  }
}

// Words of payload of a section.
fn size_of(entry: u32, section: u32) -> u32 {
  return sizes[entry * 2u * KV_HEAD_COUNT + section] & (HAS_TABLE - 1u);
}

fn head_words(entry: u32) -> u32 {
  let has_table = (sizes[entry * 2u * KV_HEAD_COUNT] & HAS_TABLE) != 0u;
  return HEAD_WORDS + select(0u, TABLE_WORDS, has_table);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let section_count = 2u * KV_HEAD_COUNT;
  let index = workgroup_id.x;
  let store = first_store[0] + workgroup_id.y;
  let job = jobs[workgroup_id.z];
  let entry = job.w * STORE_COUNT + store;
  let side = select(0u, 1u, index >= KV_HEAD_COUNT);
  let section = section_of(side);
  section_order[lane] = order[entry * BLOCK_TOKENS + lane];
  workgroupBarrier();

  let codes_start = (entry * section_count + index) * HEAD_SIZE * CODE_WORDS;
  for (var channel = lane; channel < HEAD_SIZE; channel += 64u) {
    write_ranges(section, codes_start, channel, job.z);
  }
  workgroupBarrier();
  for (var channel = lane; channel < HEAD_SIZE; channel += 64u) {
    write_payload(section, codes_start, channel, job.z);
  }
  workgroupBarrier();

  var start = section_count + 2u * BLOCK_TOKENS;
  for (var before = 0u; before < index; before++) {
    let fixed = section_of(select(0u, 1u, before >= KV_HEAD_COUNT)).payload_word;
    start += fixed + size_of(entry, before);
  }
  let target_word = targets[workgroup_id.z * STORE_COUNT + store];
  if (target_word == NO_RECORD) {
    return;
  }
  let record = target_word + head_words(entry);
  let word_count = section.payload_word + size_of(entry, index);
  for (var word = lane; word < word_count; word += 64u) {
    arena[record + start + word] = atomicLoad(&image[word]);
  }
  if (lane == 0u) {
    arena[record + index] = start;
  }
  if (index == side * KV_HEAD_COUNT) {
    let token = section_order[lane];
    arena[record + section_count + side * BLOCK_TOKENS + lane] =
      params[(entry * 2u + side) * BLOCK_TOKENS + token];
  }
  let end = start + word_count;
  if (index == section_count - 1u && lane < ((0u - end) & 3u)) {
    arena[record + end + lane] = 0u;
  }
}
