// The loops of the cold form, in AssemblyScript. FORMAT.md sections 7.3, 7.4, 9.4 and 9.5.
// Compiled they are kernels.wasm: tests/codec/cold/kernels_test.ts says how, and compares.
// Addresses are bytes in the memory of kernel_memory.ts; all numbers are little-endian.
export * from "./channel_kernels";

const ROW: i32 = 64;
const STATE_MIN: i32 = 1 << 15;
const SUM: i32 = 4096;

// --- Units of banded records ---------------------------------------------------------------------

// Bits of a number by its levels, and floor((2^bits / levels^8 - 1) * 2^32) + 1: set by the caller.
const BITS: i32 = 1024; // u8 [17]
const STRETCH: i32 = 1088; // u32 [17]
const PLANE_WORDS: i32 = 24;

@inline function fractionAt(words: i32, bit: i32, widthBits: i32): u32 {
  const pair = load<u64>(words + ((bit >>> 5) << 2)) >> (bit & 31);
  return <u32>pair << (32 - widthBits);
}

// Of a band's word: a ball, whose digits lie where its place says. FORMAT.md section 7.4.
const BALL_FLAG: u32 = 1 << 25;
const POINT_COUNT: i32 = 4096;
const POINT_MIDDLE: i32 = 4;
let points: i32 = 0;

/** Where the digits of points lie, u32 [4096], by place. */
export function setPoints(address: i32): void {
  points = address;
}

/** The place of eight digits u8 [8]; POINT_COUNT if it is none. */
function placeOf(digits: u64): i32 {
  if ((digits & 0xf8f8f8f8f8f8f8f8) != 0) return POINT_COUNT;
  let word: u32 = 0;
  let parity: i32 = 0;
  for (let place = 0; place < 64; place += 8) {
    const digit = <u32>(digits >> place) & 7;
    word = word << 3 | digit;
    parity ^= digit;
  }
  const half = parity & 1;
  let distance = 0;
  for (let place = 0; place < 8; place++) {
    const twice = 2 * (<i32>(digits >> (place << 3) & 7) - POINT_MIDDLE) + (place == 7 ? -half : half);
    distance += twice * twice;
  }
  if (distance > 24) return POINT_COUNT;
  const shell = distance >> 3;
  let low = shell == 0 ? 0 : shell == 1 ? 1 : shell == 2 ? 241 : 2401;
  let high = shell == 0 ? 1 : shell == 1 ? 241 : shell == 2 ? 2401 : POINT_COUNT;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(points + (middle << 2)) < word) low = middle + 1;
    else high = middle;
  }
  if (low == POINT_COUNT || load<u32>(points + (low << 2)) != word) return POINT_COUNT;
  return low;
}

/** Codes of a section: `bands` u32 [32][8], `codes` u8 [32][64]. */
export function unpackSection(section: i32, bands: i32, codes: i32): void {
  let bit = PLANE_WORDS * 32;
  for (let row = 0; row < 8; row++) {
    let low = load<u32>(section + row * 12);
    let middle = load<u32>(section + row * 12 + 4);
    let high = load<u32>(section + row * 12 + 8);
    for (let offset = 0; offset < 32; offset++) {
      const index: u32 = (low & 1) | (middle & 1) << 1 | (high & 1) << 2;
      low >>= 1;
      middle >>= 1;
      high >>= 1;
      const band = load<u32>(bands + (offset << 5) + (index << 2));
      const least = band & 255;
      const levels = band >> 8 & 31;
      const highLevels = band >> 13 & 31;
      const at = codes + (offset << 6) + (row << 3);
      let digits: u64 = 0;
      if ((band & BALL_FLAG) != 0) {
        const width = <i32>(band >> 18 & 127);
        const place = width == 0 ? 0 : fractionAt(section, bit, width) >>> (32 - width);
        bit += width;
        const word = load<u32>(points + <i32>(place << 2));
        for (let place = 0; place < 8; place++) {
          digits |= <u64>(word >> (21 - 3 * place) & 7) << (place << 3);
        }
      } else if (levels != 1) {
        const width = <i32>load<u8>(BITS + levels);
        let fraction = fractionAt(section, bit, width);
        bit += width;
        for (let place = 0; place < 64; place += 8) {
          const product = <u64>fraction * levels;
          digits |= (product >> 32) << place;
          fraction = <u32>product;
        }
        if (highLevels != 1) {
          const highWidth = <i32>load<u8>(BITS + highLevels);
          fraction = fractionAt(section, bit, highWidth);
          bit += highWidth;
          for (let place = 0; place < 64; place += 8) {
            const product = <u64>fraction * highLevels;
            digits |= ((product >> 32) << 4) << place;
            fraction = <u32>product;
          }
        }
      }
      store<u64>(at, digits + <u64>least * 0x0101010101010101);
    }
  }
}

// Of the 32 channels of a section: least codes of their bands, then 255 less the largest. u8 [32][16].
const BAND_ENDS: i32 = 2432;
// By levels 0 to 16: levels and 1 in turn u8 [8]; levels^2 twice, 1 twice i16 [4]; levels^4.
const POWERS: i32 = 2944; // [17][24]
let arePowersSet = false;

function setPowers(): void {
  arePowersSet = true;
  for (let levels = 0; levels <= 16; levels++) {
    const own = POWERS + levels * 24;
    for (let i = 0; i < 8; i++) store<u8>(own + i, (i & 1) == 0 ? levels : 1);
    for (let i = 0; i < 4; i++) store<i16>(own + (i << 1), <i16>(i < 2 ? levels * levels : 1), 8);
    store<u32>(own, levels * levels * levels * levels, 16);
  }
}

@inline function setBandEnds(bands: i32): void {
  for (let i = 0; i < 256; i++) {
    const band = load<u32>(bands + (i << 2));
    const least = band & 255;
    const levels = (band >> 8 & 31) * (band >> 13 & 31);
    const at = BAND_ENDS + ((i >> 3) << 4) + (i & 7);
    store<u8>(at, least);
    store<u8>(at, 256 - least - levels, 8);
  }
}

/** Digits u8 [8] as one number to base `levels`, at most 16, stretched. */
@inline function numberOf(digits: v128, levels: u32): u32 {
  const own = POWERS + <i32>levels * 24;
  const pairs = i16x8.extmul_low_i8x16_u(digits, v128.load64_zero(own));
  const sums = i32x4.dot_i16x8_s(pairs, v128.load64_splat(own, 8));
  const fours = i32x4.add(sums, v128.shuffle<u32>(sums, sums, 1, 0, 3, 2));
  const number = <u32>i32x4.extract_lane(fours, 0) * load<u32>(own, 16) +
    <u32>i32x4.extract_lane(fours, 2);
  const stretch = load<u32>(STRETCH + (levels << 2));
  return number + (<u32>(<u64>number * stretch >> 32)) + <u32>(stretch != 0);
}

/** A section of codes: words of it. */
export function packSection(section: i32, bands: i32, codes: i32, tokenCount: i32): i32 {
  if (!arePowersSet) setPowers();
  setBandEnds(bands);
  const flip = i64x2(0, -1);
  let to = section + (PLANE_WORDS << 2);
  let bits: u64 = 0;
  let bitCount: u64 = 0;
  for (let row = 0; row < 8; row++) {
    const present = min(max(tokenCount - (row << 3), 0), 8);
    let low: u32 = 0;
    let middle: u32 = 0;
    let high: u32 = 0;
    // Absent places are taken for the first one, and have digit 0.
    const mask = present == 8 ? -1 : ((<u64>1) << (present << 3)) - 1;
    for (let offset = 0; offset < 32; offset++) {
      let own = load<u64>(codes + (offset << 6) + (row << 3));
      if (present < 8) own = (own & mask) | ((own & 255) * 0x0101010101010101 & ~mask);
      const bytes = i64x2.splat(own);
      let ends = v128.xor(bytes, flip);
      ends = i8x16.min_u(ends, v128.shuffle<u8>(ends, ends, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
      ends = i8x16.min_u(ends, v128.shuffle<u8>(ends, ends, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
      ends = i8x16.min_u(ends, v128.shuffle<u8>(ends, ends, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
      const holds = i8x16.bitmask(i8x16.le_u(v128.load(BAND_ENDS + (offset << 4)), ends));
      let held = holds & (holds >> 8);
      let place = POINT_COUNT;
      let hasPlace = false;
      while (present != 0) {
        const first = load<u32>(bands + (offset << 5) + (ctz(held) << 2));
        if ((first & BALL_FLAG) == 0) break;
        // All balls of a channel have one middle.
        if (!hasPlace && present == 8) {
          place = placeOf(own - <u64>(first & 255) * 0x0101010101010101);
        }
        hasPlace = true;
        if (place < 1 << (first >> 18 & 127)) break;
        held &= held - 1;
      }
      const index: u32 = present == 0 ? 0 : ctz(held);
      low |= (index & 1) << offset;
      middle |= (index >> 1 & 1) << offset;
      high |= (index >> 2) << offset;
      const band = load<u32>(bands + (offset << 5) + (index << 2));
      let digits = i8x16.sub(bytes, i8x16.splat(<i8>(band & 255)));
      if (present < 8) digits = v128.and(digits, i64x2.splat(mask));
      const levels = band >> 8 & 31;
      const highLevels = band >> 13 & 31;
      if ((band & BALL_FLAG) != 0) {
        bits |= <u64>(present == 0 ? 0 : place) << bitCount;
        bitCount += band >> 18 & 127;
        store<u32>(to, <u32>bits);
        to += <i32>(bitCount >> 5) << 2;
        bits >>= bitCount & 32;
        bitCount &= 31;
        continue;
      }
      if (highLevels != 1) {
        const lowDigits = v128.and(digits, i8x16.splat(15));
        bits |= <u64>numberOf(lowDigits, levels) << bitCount;
        bitCount += load<u8>(BITS + levels);
        store<u32>(to, <u32>bits);
        to += <i32>(bitCount >> 5) << 2;
        bits >>= bitCount & 32;
        bitCount &= 31;
        digits = i8x16.shr_u(digits, 4);
      }
      const top = highLevels != 1 ? highLevels : levels;
      bits |= <u64>numberOf(digits, top) << bitCount;
      bitCount += load<u8>(BITS + top);
      store<u32>(to, <u32>bits);
      to += <i32>(bitCount >> 5) << 2;
      bits >>= bitCount & 32;
      bitCount &= 31;
    }
    store<u32>(section + row * 12, low);
    store<u32>(section + row * 12 + 4, middle);
    store<u32>(section + row * 12 + 8, high);
  }
  if (bitCount != 0) store<u32>(to, <u32>bits);
  return ((to - section) >> 2) + <i32>(bitCount != 0);
}

// --- Prediction ----------------------------------------------------------------------------------

@inline function distance(a: v128, b: v128): v128 {
  return i8x16.sub(i8x16.max_u(a, b), i8x16.min_u(a, b));
}

@inline function addBytes(sum: v128, bytes: v128): v128 {
  return i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)));
}

@inline function total(sum: v128): i32 {
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) +
    i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
}

/** The bytes before those at `row + i`, `base` before the first. */
@inline function bytesBefore(row: i32, i: i32, base: i32): v128 {
  const bytes = v128.load(row + i - 1);
  return i == 0 ? i8x16.replace_lane(bytes, 0, <i8>base) : bytes;
}

/**
 * Foretells rows: differences u8 [rows][64], errors u32 [rows], predictions and bases u8 [rows].
 * A byte must lie before the first row.
 */
export function predictRows(
  rows: i32,
  count: i32,
  differences: i32,
  errors: i32,
  predictions: i32,
  bases: i32,
): void {
  for (let index = 0; index < count; index++) {
    const row = rows + (index << 6);
    let sum = i32x4.splat(0);
    for (let i = 0; i < ROW; i += 16) sum = addBytes(sum, v128.load(row + i));
    const base = (total(sum) + 32) >>> 6;
    const bases16 = i8x16.splat(<i8>base);
    let own = i32x4.splat(0);
    let step = i32x4.splat(0);
    let half = i32x4.splat(0);
    for (let i = 0; i < ROW; i += 16) {
      const bytes = v128.load(row + i);
      const before = bytesBefore(row, i, base);
      own = addBytes(own, distance(bytes, bases16));
      step = addBytes(step, distance(bytes, before));
      half = addBytes(half, distance(bytes, i8x16.avgr_u(before, bases16)));
    }
    const ownError = total(own);
    const stepError = total(step);
    const halfError = total(half);
    let prediction = 0;
    let error = ownError;
    if (halfError * 17 < ownError * 16 && halfError <= stepError) {
      prediction = 2;
      error = halfError;
    } else if (stepError * 17 < ownError * 16) {
      prediction = 1;
      error = stepError;
    }
    for (let i = 0; i < ROW; i += 16) {
      const before = bytesBefore(row, i, base);
      const from = prediction == 0
        ? bases16
        : prediction == 1
        ? before
        : i8x16.avgr_u(before, bases16);
      v128.store(differences + (index << 6) + i, i8x16.sub(v128.load(row + i), from));
    }
    store<u32>(errors + (index << 2), error);
    store<u8>(predictions + index, prediction);
    store<u8>(bases + index, base);
  }
}

@inline function restoreRow(row: i32, prediction: i32, base: i32): void {
  if (prediction == 0) {
    const bases = i8x16.splat(<i8>base);
    for (let i = 0; i < ROW; i += 16) v128.store(row + i, i8x16.add(v128.load(row + i), bases));
    return;
  }
  let before = base;
  for (let i = row; i < row + ROW; i++) {
    const from = prediction == 1 ? before : (before + base + 1) >> 1;
    before = (from + <i32>load<u8>(i)) & 255;
    store<u8>(i, before);
  }
}

// --- Tables --------------------------------------------------------------------------------------

/** Adds the bytes of rows to the counts of their tables: u32 [tables][256]. */
export function countRows(differences: i32, count: i32, tableOf: i32, counts: i32): void {
  for (let index = 0; index < count; index++) {
    const table = counts + (<i32>load<u8>(tableOf + index) << 10);
    const row = differences + (index << 6);
    for (let i = 0; i < ROW; i++) {
      const at = table + (<i32>load<u8>(row + i) << 2);
      store<u32>(at, load<u32>(at) + 1);
    }
  }
}

/**
 * Moves rows to the table of least cost of 16 around theirs. `costs` u16 [256][stride], in parts of
 * a bit such that 64 of them stay below 2^15; stride is a multiple of 8, at least 16.
 */
export function moveRows(
  differences: i32,
  count: i32,
  tableOf: i32,
  costs: i32,
  stride: i32,
): void {
  for (let index = 0; index < count; index++) {
    const row = differences + (index << 6);
    let from = (<i32>load<u8>(tableOf + index) - 4) & ~7;
    from = max(0, min(from, stride - 16));
    const first = costs + (from << 1);
    let a = i16x8.splat(0);
    let b = i16x8.splat(0);
    for (let i = 0; i < ROW; i++) {
      const at = first + <i32>load<u8>(row + i) * (stride << 1);
      a = i16x8.add(a, v128.load(at));
      b = i16x8.add(b, v128.load(at, 16));
    }
    v128.store(1280, a);
    v128.store(1280, b, 16);
    let best = 0;
    let least: u32 = 0xffff;
    for (let i = 0; i < 16; i++) {
      const cost = <u32>load<u16>(1280 + (i << 1));
      if (cost < least) {
        least = cost;
        best = i;
      }
    }
    store<u8>(tableOf + index, from + best);
  }
}

/** What decoding looks up, of u16 [256]: the symbol of each of 4096 parts, then the symbols' models. */
export function fillSlots(frequencies: i32, slots: i32): void {
  let start = 0;
  for (let symbol = 0; symbol < 256; symbol++) {
    const frequency = <i32>load<u16>(frequencies + (symbol << 1));
    memory.fill(slots + start, <u8>symbol, frequency);
    store<u32>(slots + SUM + (symbol << 2), frequency | start << 16);
    start += frequency;
  }
}

// --- Range coding --------------------------------------------------------------------------------

let state0: i32 = 0;
let state1: i32 = 0;
let state2: i32 = 0;
let state3: i32 = 0;
let unitsAt: i32 = 0;
let unitsEnd: i32 = 0;

/** Sets the states and where units are read, or written before. */
export function begin(states: i32, units: i32, end: i32): void {
  state0 = load<i32>(states);
  state1 = load<i32>(states, 4);
  state2 = load<i32>(states, 8);
  state3 = load<i32>(states, 12);
  unitsAt = units;
  unitsEnd = end;
}

/** Stores the states; returns where units go on. */
export function end(states: i32): i32 {
  store<i32>(states, state0);
  store<i32>(states, state1, 4);
  store<i32>(states, state2, 8);
  store<i32>(states, state3, 12);
  return unitsAt;
}

@inline function symbolOf(x: i32, slots: i32): i32 {
  return <i32>load<u8>(slots + (x & 4095));
}

@inline function next(x: i32, slots: i32, symbol: i32): i32 {
  const entry = load<u32>(slots + (symbol << 2), SUM);
  return <i32>(entry & 0xffff) * (x >>> 12) + (x & 4095) - <i32>(entry >>> 16);
}

/**
 * Reads rows. `classSlots` u32 [class][2]: addresses of the tables of modes and of bases, 0 where a
 * class has none.
 *
 * @returns 0, or 1 + the index of a row that cannot be.
 */
export function readRows(
  rows: i32,
  count: i32,
  classes: i32,
  centres: i32,
  classSlots: i32,
  tables: i32,
  tableCount: i32,
): i32 {
  let a = state0;
  let b = state1;
  let c = state2;
  let d = state3;
  let at = unitsAt;
  const stop = unitsEnd;
  for (let index = 0; index < count; index++) {
    const slotsOf = classSlots + (<i32>load<u8>(classes + index) << 3);
    const modes = load<i32>(slotsOf);
    if (modes == 0) return index + 1;
    const mode = symbolOf(a, modes);
    a = next(a, modes, mode);
    if (a < STATE_MIN) {
      a = a << 16 | <i32>load<u16>(at);
      at += 2;
    }
    const basesOf = load<i32>(slotsOf, 4);
    const offset = symbolOf(b, basesOf);
    b = next(b, basesOf, offset);
    if (b < STATE_MIN) {
      b = b << 16 | <i32>load<u16>(at);
      at += 2;
    }
    const base = (<i32>load<u8>(centres + index) + offset) & 255;
    const table = mode & 63;
    const prediction = mode >>> 6;
    if (table >= tableCount || prediction > 2) return index + 1;
    const slots = tables + table * 5120;
    const row = rows + (index << 6);
    const only = <i32>load<u8>(slots);
    if (load<u32>(slots + (only << 2), SUM) == <u32>SUM) {
      memory.fill(row, <u8>only, ROW);
      restoreRow(row, prediction, base);
      continue;
    }
    for (let i = row; i < row + ROW; i += 4) {
      const p = symbolOf(a, slots);
      const q = symbolOf(b, slots);
      const r = symbolOf(c, slots);
      const s = symbolOf(d, slots);
      a = next(a, slots, p);
      b = next(b, slots, q);
      c = next(c, slots, r);
      d = next(d, slots, s);
      if (a < STATE_MIN) {
        a = a << 16 | <i32>load<u16>(at);
        at += 2;
      }
      if (b < STATE_MIN) {
        b = b << 16 | <i32>load<u16>(at);
        at += 2;
      }
      if (c < STATE_MIN) {
        c = c << 16 | <i32>load<u16>(at);
        at += 2;
      }
      if (d < STATE_MIN) {
        d = d << 16 | <i32>load<u16>(at);
        at += 2;
      }
      store<u32>(i, p | q << 8 | r << 16 | s << 24);
    }
    if (at > stop) return index + 1;
    restoreRow(row, prediction, base);
  }
  state0 = a;
  state1 = b;
  state2 = c;
  state3 = d;
  unitsAt = at;
  return 0;
}

/** `model`: u32 [256] of frequency and, from bit 16, start. */
@inline function renormalised(x: i32, entry: u32): i32 {
  if (<u32>(x >>> 19) >= (entry & 0xffff)) {
    unitsAt -= 2;
    store<u16>(unitsAt, x);
    return x >>> 16;
  }
  return x;
}

@inline function pushed(x: i32, entry: u32): i32 {
  const frequency = entry & 0xffff;
  const quotient = <u32>x / frequency;
  return <i32>((quotient << 12) + (<u32>x - quotient * frequency) + (entry >> 16));
}

/**
 * Writes rows, the last one first: `differences` u8 [rows][64], `modes`, `bases` and `classes` u8
 * [rows]; models u32 [256] each, `classModels` [class][2] of modes and of bases.
 */
export function writeRows(
  differences: i32,
  count: i32,
  modes: i32,
  bases: i32,
  classes: i32,
  classModels: i32,
  models: i32,
): void {
  for (let index = count - 1; index >= 0; index--) {
    const mode = <i32>load<u8>(modes + index);
    const model = models + ((mode & 63) << 10);
    const row = differences + (index << 6);
    for (let i = row + ROW - 4; i >= row; i -= 4) {
      const s = load<u32>(model + (<i32>load<u8>(i, 3) << 2));
      const r = load<u32>(model + (<i32>load<u8>(i, 2) << 2));
      const q = load<u32>(model + (<i32>load<u8>(i, 1) << 2));
      const p = load<u32>(model + (<i32>load<u8>(i) << 2));
      state3 = renormalised(state3, s);
      state2 = renormalised(state2, r);
      state1 = renormalised(state1, q);
      state0 = renormalised(state0, p);
      state3 = pushed(state3, s);
      state2 = pushed(state2, r);
      state1 = pushed(state1, q);
      state0 = pushed(state0, p);
    }
    const own = classModels + (<i32>load<u8>(classes + index) << 11);
    const baseEntry = load<u32>(own + 1024 + (<i32>load<u8>(bases + index) << 2));
    state1 = pushed(renormalised(state1, baseEntry), baseEntry);
    const modeEntry = load<u32>(own + (mode << 2));
    state0 = pushed(renormalised(state0, modeEntry), modeEntry);
  }
}
