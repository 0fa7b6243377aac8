//: file shaders/kv_pack/banded.wgsl
// kv_pack/banded: arena[target of job and store ..] = the banded record of the job's block
//
// Source:    src/codec/FORMAT.md sections 7.3 to 7.5
// Binds:     src/kernels/kv_pack/banded.ts, which appends STRETCH
// Reference: src/reference/kv_pack/banded.ts
// Grid:      (section, store of the arena, job); 64 threads: 32 channels x 2 halves of the rows
// Precision: integers
// Shared:    lib/kv_pack_range.wgsl, lib/kv_band_choice.wgsl, lib/band_word.wgsl,
//            lib/banded_section.wgsl
//
// A section is put together in workgroup memory, where units that share a word meet by atomic or;
// then it is copied out whole. Nothing is written outside the record's own words. Channels of which
// all codes are 0 are dropped: neither their band indexes nor their units are there. Sections of V
// may lie elsewhere: their places in the record are counted from a base of their own, and the
// section table says where they are.

override KV_HEAD_COUNT: u32;
override HEAD_SIZE: u32;
override STORE_COUNT: u32;
override TABLE_WORDS: u32; // of a store
override SINK_COUNT: u32;

const SECTION_WORDS_MAX = PLANE_WORDS + PAYLOAD_WORDS_MAX;

// [job]{scratch, first, targets[store], tokens packed[store], bases of values[store]}
@group(0) @binding(0) var<storage, read> jobs: array<u32>;
@group(0) @binding(1) var<storage, read> codes: array<u32>; // [scratch][store][side][c][words]
@group(0) @binding(2) var<storage, read> params: array<u32>; // [scratch][store][side][tokens]
@group(0) @binding(3) var<storage, read> sizes: array<u32>; // [scratch][store][section]
@group(0) @binding(4) var<storage, read> sinks: array<u32>; // as in a record, [scratch][store]
@group(0) @binding(5) var<storage, read> bands: array<u32>; // by store: [side][c][8]
@group(0) @binding(6) var<storage, read_write> arena: array<u32>;
@group(0) @binding(7) var<uniform> first_store: u32;
@group(0) @binding(8) var<storage, read> points: array<u32>; // digits by place

var<workgroup> image: array<atomic<u32>, SECTION_WORDS_MAX>;
var<workgroup> unit_starts: array<u32, 256>; // bits of [row][channel]; then their first bits
var<workgroup> row_bits: array<u32, 8>;
var<workgroup> words_before: atomic<u32>; // of sections
var<workgroup> channels: atomic<u32>; // those that are not dropped

// floor(a * b / 2^32), of 16 bits at a time.
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let cross = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (cross >> 16u);
}

fn write_image(bit: u32, value: u32) {
  let shift = bit & 31u;
  atomicOr(&image[bit >> 5u], value << shift);
  let rest = (value >> 1u) >> (31u - shift);
  if (rest != 0u) {
    atomicOr(&image[(bit >> 5u) + 1u], rest);
  }
}

// Chooses the bands of the lane's channel in its rows, as their indexes; says if it is dropped.
fn choose_bands(codes_start: u32, bands_start: u32, lane: u32, token_count: u32) -> vec4<u32> {
  var indexes = vec4<u32>(0u);
  var largest = 0u;
  for (var i = 0u; i < 4u; i++) {
    let row = (lane >> 5u) * 4u + i;
    let pack = pack_at(codes_start, row, token_count);
    indexes[i] = choose_band(bands_start, pack);
    largest = max(largest, pack.bounds.y);
  }
  if (largest > 0u || token_count == 0u) {
    atomicOr(&channels, 1u << (lane & 31u));
  }
  return indexes;
}

// Writes planes of a channel that is there, behind the word that says which are if not all.
fn write_bands(indexes: vec4<u32>, bands_start: u32, lane: u32, kept: u32) -> vec4<u32> {
  let channel = lane & 31u;
  let count = countOneBits(kept);
  let rank = countOneBits(kept & ((1u << channel) - 1u));
  let first_bit = select(32u, 0u, count == 32u) + rank;
  var chosen = vec4<u32>(0u);
  for (var i = 0u; i < 4u; i++) {
    let row = (lane >> 5u) * 4u + i;
    if (((kept >> channel) & 1u) == 0u) {
      unit_starts[row * 32u + channel] = 0u;
      continue;
    }
    chosen[i] = bands[bands_start + indexes[i]];
    unit_starts[row * 32u + channel] = band_bits(chosen[i]);
    for (var plane = 0u; plane < 3u; plane++) {
      let bit = first_bit + (row * 3u + plane) * count;
      atomicOr(&image[bit >> 5u], ((indexes[i] >> plane) & 1u) << (bit & 31u));
    }
  }
  return chosen;
}

// Turns the bits of units into where they start in their row.
fn scan_row(row: u32) {
  var sum = 0u;
  for (var unit = row * 32u; unit < row * 32u + 32u; unit++) {
    let bits = unit_starts[unit];
    unit_starts[unit] = sum;
    sum += bits;
  }
  row_bits[row] = sum;
}

fn write_units(codes_start: u32, chosen: vec4<u32>, lane: u32, token_count: u32, units_bit: u32) {
  for (var i = 0u; i < 4u; i++) {
    let row = (lane >> 5u) * 4u + i;
    let band = chosen[i];
    let low_levels = band_low(band);
    var low = 0u;
    var high = 0u;
    for (var place = row * PACK_SIZE; place < row * PACK_SIZE + PACK_SIZE; place++) {
      var digit = 0u;
      if (place < token_count) {
        digit = code_at(codes_start, place) - band_least(band);
      }
      low = low * low_levels + (digit & 15u);
      high = high * band_high(band) + (digit >> 4u);
    }
    let stretch = STRETCH[low_levels];
    if (stretch != 0u) {
      low += multiply_high(low, stretch) + 1u;
    }
    if (is_ball(band)) {
      // A pack without codes has the first band, and the first place.
      let pack = pack_at(codes_start, row, token_count);
      low = select(0u, place_of(pack, band_least(band)), pack.is_whole);
      high = 0u;
    }
    var bit = units_bit + unit_starts[row * 32u + (lane & 31u)];
    for (var before = 0u; before < row; before++) {
      bit += row_bits[before];
    }
    write_image(bit, low);
    write_image(bit + 32u, high);
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let part_count = HEAD_SIZE / 32u;
  let section_count = 2u * KV_HEAD_COUNT * part_count;
  let index = workgroup_id.x;
  let store = first_store + workgroup_id.y;
  let job = workgroup_id.z * (2u + 3u * STORE_COUNT);
  let first_token = jobs[job + 1u];
  let record = jobs[job + 2u + store];
  let token_count = jobs[job + 2u + STORE_COUNT + store];
  let value_base = jobs[job + 2u + 2u * STORE_COUNT + store];
  if (record == NO_RECORD) {
    return;
  }
  let entry = jobs[job] * STORE_COUNT + store;
  section_order[lane] = lane;
  workgroupBarrier();

  // 1. The section's image.
  let channel = index * 32u + (lane & 31u); // over both sides
  let codes_start = (entry * section_count * 32u + channel) * CODE_WORDS;
  let bands_start = store * TABLE_WORDS + channel * 8u;
  let indexes = choose_bands(codes_start, bands_start, lane, token_count);
  var words = 0u;
  for (var before = lane; before < index; before += 64u) {
    words += section_words(sizes[entry * section_count + before]);
  }
  atomicAdd(&words_before, words);
  workgroupBarrier();
  let kept = atomicLoad(&channels);
  let drops = kept != 0xffffffffu;
  let chosen = write_bands(indexes, bands_start, lane, kept);
  workgroupBarrier();
  if (lane < 8u) {
    scan_row(lane);
  }
  if (lane == 0u && drops) {
    atomicStore(&image[0], kept);
  }
  workgroupBarrier();
  if (((kept >> (lane & 31u)) & 1u) == 1u) {
    write_units(codes_start, chosen, lane, token_count, 32u * head_words(countOneBits(kept)));
  }
  workgroupBarrier();

  // 2. The section and its entry of the table.
  let sinks_word = section_count + TOKEN_STEP_WORDS;
  let sink_words = first_token * KV_HEAD_COUNT * HEAD_SIZE;
  let start = sinks_word + sink_words + atomicLoad(&words_before);
  let base = select(record, value_base, index >= section_count / 2u);
  let word_count = section_words(sizes[entry * section_count + index]);
  for (var word = lane; word < word_count; word += 64u) {
    arena[base + start + word] = atomicLoad(&image[word]);
  }
  if (lane == 0u) {
    arena[record + index] = (base - record + start) | select(0u, DROPS_FLAG, drops);
  }

  // 3. The section's channels of the sinks: 16 words of each.
  if (first_token > 0u) {
    let head_start = (index / part_count) * SINK_COUNT * (HEAD_SIZE / 2u);
    for (var i = lane; i < SINK_COUNT * 16u; i += 64u) {
      let word = head_start + (i >> 4u) * (HEAD_SIZE / 2u) + (index % part_count) * 16u + (i & 15u);
      let start = entry * SINK_COUNT * KV_HEAD_COUNT * HEAD_SIZE;
      arena[record + sinks_word + word] = sinks[start + word];
    }
  }

  // 4. Token steps by the first section, padding by the last.
  if (index == 0u && lane < TOKEN_STEP_WORDS) {
    var steps = 0u;
    for (var i = 0u; i < 4u; i++) {
      steps |= params[entry * (2u * BLOCK_TOKENS) + lane * 4u + i] << (8u * i);
    }
    arena[record + section_count + lane] = steps;
  }
  let end = start + word_count;
  if (index == section_count - 1u && lane < ((0u - end) & 3u)) {
    arena[base + end + lane] = 0u;
  }
}
