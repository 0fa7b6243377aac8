// The loops of the cold form of channels, in AssemblyScript. FORMAT.md section 9.7.
// Part of kernels.wasm: see kernels.as.
const ROW: i32 = 64;
const STATE_MIN: u32 = 1 << 15;

// Tables: by scale and variant, slots u32 [2048] of pairs, then [2][1024] of pairs by parity; and
// for writing u64 [256] of pairs, then [256] of those by parity.
const SCALE_COUNT: i32 = 13;
const SLOT_TABLE_BYTES: i32 = 16384;
const PARITY_SLOTS: i32 = 8192;
const MODEL_TABLE_BYTES: i32 = 4096;
const PARITY_MODELS: i32 = 2048;
const PAIR_BITS: i32 = 11;
const PARITY_BITS: i32 = 10;
// Pairs that have no slot of their own: the second one among pairs of odd parity.
const ESCAPE: i32 = 0xff;
const ODD_ESCAPE: i32 = 0xef;

// Modes.
const FIRST_PLAIN: i32 = 1;
const FIRST_LATTICE: i32 = 14;
const FIRST_WIDE: i32 = 27;
const MODE_COUNT: i32 = 47;
const WIDE_SCALES: i32 = 4;
const FIRST_WIDE_SCALE: i32 = 9;

// Scratch below the memory that is taken.
const FORETOLD: i32 = 1536; // i16 [2][64]: what is foretold of both rows of a pair, in halves
const CENTRES: i32 = 1792; // i8 [64]
const SYMBOLS: i32 = 1856; // u8 [32]
const VARIANTS: i32 = 1888; // u8 [8]: of each pack, two bits a pair
const PARITIES: i32 = 1896; // u8 [8]: of the digits of each pack
const LOWS: i32 = 1904; // u8 [64]: low bits of wide rows
const POINTS: i32 = 1984; // i16 [2][64]: the points of both rows, in halves
const DIGITS: i32 = 2240; // u8 [64]
const COSTS: i32 = 2304; // u16 [2][13]: of plain and of lattice rows, in 1/16 bits
const LIMITS: i32 = 2368; // u32 [13]: most squared error of a scale

let slotTables: i32 = 0;
let modelTables: i32 = 0;

/** Where tables lie: `slots` 13 * 4 of 16384 bytes, `models` 13 * 4 of 4096 bytes. */
export function setTables(slots: i32, models: i32): void {
  slotTables = slots;
  modelTables = models;
}

function parityOf(pair: i32): i32 {
  return (pair ^ (pair >> 4)) & 1;
}

/** How many of the slots a pair has; `parity` is that of pairs in the table, or -1 for all. */
function writeTable(
  first: i32,
  second: i32,
  parity: i32,
  bits: i32,
  escape: i32,
  slots: i32,
  models: i32,
): void {
  const sum: u64 = (<u64>1) << bits;
  let total: u64 = 0;
  for (let pair = 0; pair < 256; pair++) {
    if (!isIn(pair, parity)) continue;
    total += weightOf(first, second, pair);
  }
  let dropped: u64 = 0;
  let given: u64 = 0;
  let most: u64 = 0;
  let mostPair = 0;
  for (let pair = 0; pair < 256; pair++) {
    if (!isIn(pair, parity)) continue;
    const weight = weightOf(first, second, pair);
    const share = (weight * sum + total / 2) / total;
    if (share == 0) dropped += weight;
    given += share;
    if (weight > most) {
      most = weight;
      mostPair = pair;
    }
  }
  const escapes = max<u64>(1, (dropped * sum + total / 2) / total);
  let start: u64 = 0;
  for (let pair = 0; pair < 256; pair++) {
    if (pair != escape && !isIn(pair, parity)) continue;
    let share = escapes;
    if (pair != escape) {
      share = (weightOf(first, second, pair) * sum + total / 2) / total;
      if (pair == mostPair) share = share + sum - given - escapes;
      if (share == 0) continue;
    }
    for (let slot: u64 = 0; slot < share; slot++) {
      const entry = <u32>pair | <u32>share << 8 | <u32>slot << 20;
      store<u32>(slots + <i32>((start + slot) << 2), entry);
    }
    const shift: u64 = share == 1 ? 0 : 64 - clz<u64>(share - 1);
    const reciprocal = (((<u64>1) << (31 + shift)) + share - 1) / share;
    store<u64>(models + (pair << 3), reciprocal | share << 32 | start << 44 | shift << 56);
    start += share;
  }
}

@inline function isIn(pair: i32, parity: i32): bool {
  if ((pair & 15) == 15 || pair >> 4 == 15) return false;
  return parity < 0 || parityOf(pair) == parity;
}

@inline function weightOf(first: i32, second: i32, pair: i32): u64 {
  return <u64>load<u32>(first + ((pair & 15) << 2)) * load<u32>(second + (pair >> 4 << 2));
}

/** Fills all tables: `weights` u32 [13][2][16], by scale, by half, of digits 0 to 14. */
export function fillTables(weights: i32): void {
  memory.fill(modelTables, 0, SCALE_COUNT * 4 * MODEL_TABLE_BYTES);
  for (let scale = 0; scale < SCALE_COUNT; scale++) {
    for (let variant = 0; variant < 4; variant++) {
      const first = weights + (scale << 7) + ((variant & 1) << 6);
      const second = weights + (scale << 7) + (variant >> 1 << 6);
      const index = scale * 4 + variant;
      const slots = slotTables + index * SLOT_TABLE_BYTES;
      const models = modelTables + index * MODEL_TABLE_BYTES;
      writeTable(first, second, -1, PAIR_BITS, ESCAPE, slots, models);
      const own = models + PARITY_MODELS;
      writeTable(first, second, 0, PARITY_BITS, ESCAPE, slots + PARITY_SLOTS, own);
      writeTable(first, second, 1, PARITY_BITS, ODD_ESCAPE, slots + PARITY_SLOTS + 4096, own);
    }
  }
}

// --- What is foretold ----------------------------------------------------------------------------

@inline function turned(table: i32, amplitudes: v128, to: i32): void {
  const half = i32x4.splat(8192);
  for (let i = 0; i < 8; i++) {
    const low = i32x4.dot_i16x8_s(v128.load(table + (i << 5)), amplitudes);
    const high = i32x4.dot_i16x8_s(v128.load(table + (i << 5), 16), amplitudes);
    v128.store(
      to + (i << 4),
      i16x8.narrow_i32x4_s(
        i32x4.shr_s(i32x4.add(low, half), 14),
        i32x4.shr_s(i32x4.add(high, half), 14),
      ),
    );
  }
}

/** `turns` i16 [2][64][2]: cosine and minus sine, then sine and cosine, in parts of 2^14. */
@inline function foretell(turns: i32, a: i32, b: i32): void {
  const amplitudes = i32x4.splat((a & 0xffff) | b << 16);
  turned(turns, amplitudes, FORETOLD);
  turned(turns + 256, amplitudes, FORETOLD + 128);
}

@inline function shiftOf(bit: i32): v128 {
  return v128.and(i16x8.splat(<i16>-bit), i16x8(1, 1, 1, 1, 1, 1, 1, -1));
}

/** Centres, variants and parities of a row's packs, of what is foretold and of shifts. */
@inline function prepareRow(foretold: i32, shifts: i32, widthBits: i32): void {
  const lows: i32 = (1 << widthBits) - 1;
  const half: i32 = (1 << widthBits) >> 1;
  const widen = i16x8.splat(<i16>(half - lows));
  let variants: u64 = 0;
  let parities: u64 = 0;
  for (let pack = 0; pack < 8; pack += 2) {
    const first = shifts >> pack & 1;
    const second = shifts >> (pack + 1) & 1;
    let a = i16x8.sub(v128.load(foretold + (pack << 4)), shiftOf(first));
    let b = i16x8.sub(v128.load(foretold + (pack << 4), 16), shiftOf(second));
    a = i16x8.shr_s(i16x8.add(a, widen), widthBits);
    b = i16x8.shr_s(i16x8.add(b, widen), widthBits);
    const own = <u64>(i16x8.bitmask(i16x8.shl(a, 15)) | i16x8.bitmask(i16x8.shl(b, 15)) << 8);
    variants |= own << (pack << 3);
    const centres = i8x16.narrow_i16x8_s(i16x8.shr_s(a, 1), i16x8.shr_s(b, 1));
    v128.store(CENTRES + (pack << 3), centres);
    const odd = i8x16.bitmask(i8x16.shl(centres, 7));
    const odds = ((popcnt(odd & 255) ^ first) & 1) | ((popcnt(odd >> 8) ^ second) & 1) << 8;
    parities |= <u64>odds << (pack << 3);
  }
  // Whole: a load of more than was stored at once waits.
  store<u64>(VARIANTS, variants);
  store<u64>(PARITIES, parities);
}

@inline function modeWidth(mode: i32): i32 {
  return mode < FIRST_WIDE ? 0 : (mode - FIRST_WIDE) / WIDE_SCALES + 1;
}

@inline function modeScale(mode: i32): i32 {
  return mode < FIRST_LATTICE
    ? mode - FIRST_PLAIN
    : mode < FIRST_WIDE
    ? mode - FIRST_LATTICE
    : ((mode - FIRST_WIDE) & 3) + FIRST_WIDE_SCALE;
}

// --- Reading -------------------------------------------------------------------------------------

let a: u32 = 0;
let b: u32 = 0;
let c: u32 = 0;
let d: u32 = 0;
let at: i32 = 0;
let bytesAt: i32 = 0;

@inline function byteSymbol(x: u32, slots: i32): i32 {
  return <i32>load<u8>(slots + <i32>(x & 4095));
}

@inline function afterByte(x: u32, slots: i32, symbol: i32): u32 {
  const entry = load<u32>(slots + (symbol << 2), 4096);
  return (entry & 0xffff) * (x >>> 12) + (x & 4095) - (entry >>> 16);
}

@inline function refill(x: u32): u32 {
  const isLow = x < STATE_MIN;
  const filled = x << 16 | <u32>load<u16>(at);
  at += <i32>isLow << 1;
  return isLow ? filled : x;
}

@inline function pairEntry(x: u32, table: i32): u32 {
  return load<u32>(table + <i32>((x & 2047) << 2));
}

@inline function afterPair(x: u32, entry: u32): u32 {
  return (entry >>> 8 & 0xfff) * (x >>> PAIR_BITS) + (entry >>> 20);
}

@inline function afterParityPair(x: u32, entry: u32): u32 {
  return (entry >>> 8 & 0xfff) * (x >>> PARITY_BITS) + (entry >>> 20);
}

@inline function variantTable(tables: i32, variants: u32, pair: i32): i32 {
  return tables + <i32>((variants >>> (2 * pair) & 3) << 14);
}

/** Symbols of four packs, one for each state. */
@inline function readPacks(pack: i32, tables: i32, isLattice: bool): void {
  const variants = load<u32>(VARIANTS + pack);
  const parities = load<u32>(PARITIES + pack);
  const va = variants >>> 0 & 255;
  const vb = variants >>> 8 & 255;
  const vc = variants >>> 16 & 255;
  const vd = variants >>> 24 & 255;
  let xa = a;
  let sa: u32 = 0;
  let ta = 0;
  let ea: u32 = 0;
  let xb = b;
  let sb: u32 = 0;
  let tb = 0;
  let eb: u32 = 0;
  let xc = c;
  let sc: u32 = 0;
  let tc = 0;
  let ec: u32 = 0;
  let xd = d;
  let sd: u32 = 0;
  let td = 0;
  let ed: u32 = 0;
  let from = at;
  for (let pair = 0; pair < 3; pair++) {
    ea = pairEntry(xa, variantTable(tables, va, pair));
    eb = pairEntry(xb, variantTable(tables, vb, pair));
    ec = pairEntry(xc, variantTable(tables, vc, pair));
    ed = pairEntry(xd, variantTable(tables, vd, pair));
    sa |= (ea & 255) << (8 * pair);
    xa = afterPair(xa, ea);
    sb |= (eb & 255) << (8 * pair);
    xb = afterPair(xb, eb);
    sc |= (ec & 255) << (8 * pair);
    xc = afterPair(xc, ec);
    sd |= (ed & 255) << (8 * pair);
    xd = afterPair(xd, ed);
    const fa = xa << 16 | <u32>load<u16>(from);
    const la = xa < STATE_MIN;
    xa = select(fa, xa, la);
    from += <i32>la << 1;
    const fb = xb << 16 | <u32>load<u16>(from);
    const lb = xb < STATE_MIN;
    xb = select(fb, xb, lb);
    from += <i32>lb << 1;
    const fc = xc << 16 | <u32>load<u16>(from);
    const lc = xc < STATE_MIN;
    xc = select(fc, xc, lc);
    from += <i32>lc << 1;
    const fd = xd << 16 | <u32>load<u16>(from);
    const ld = xd < STATE_MIN;
    xd = select(fd, xd, ld);
    from += <i32>ld << 1;
  }
  ta = variantTable(tables, va, 3);
  tb = variantTable(tables, vb, 3);
  tc = variantTable(tables, vc, 3);
  td = variantTable(tables, vd, 3);
  if (isLattice) {
    ta += PARITY_SLOTS + parityTable(sa, parities >>> 0);
    ea = load<u32>(ta + <i32>((xa & 1023) << 2));
    xa = afterParityPair(xa, ea);
    tb += PARITY_SLOTS + parityTable(sb, parities >>> 8);
    eb = load<u32>(tb + <i32>((xb & 1023) << 2));
    xb = afterParityPair(xb, eb);
    tc += PARITY_SLOTS + parityTable(sc, parities >>> 16);
    ec = load<u32>(tc + <i32>((xc & 1023) << 2));
    xc = afterParityPair(xc, ec);
    td += PARITY_SLOTS + parityTable(sd, parities >>> 24);
    ed = load<u32>(td + <i32>((xd & 1023) << 2));
    xd = afterParityPair(xd, ed);
  } else {
    ea = pairEntry(xa, ta);
    xa = afterPair(xa, ea);
    eb = pairEntry(xb, tb);
    xb = afterPair(xb, eb);
    ec = pairEntry(xc, tc);
    xc = afterPair(xc, ec);
    ed = pairEntry(xd, td);
    xd = afterPair(xd, ed);
  }
  const fa = xa << 16 | <u32>load<u16>(from);
  const la = xa < STATE_MIN;
  a = select(fa, xa, la);
  from += <i32>la << 1;
  const fb = xb << 16 | <u32>load<u16>(from);
  const lb = xb < STATE_MIN;
  b = select(fb, xb, lb);
  from += <i32>lb << 1;
  const fc = xc << 16 | <u32>load<u16>(from);
  const lc = xc < STATE_MIN;
  c = select(fc, xc, lc);
  from += <i32>lc << 1;
  const fd = xd << 16 | <u32>load<u16>(from);
  const ld = xd < STATE_MIN;
  d = select(fd, xd, ld);
  from += <i32>ld << 1;
  at = from;
  store<u64>(SYMBOLS + (pack << 2), <u64>(sa | ea << 24) | <u64>(sb | eb << 24) << 32);
  store<u64>(SYMBOLS + (pack << 2), <u64>(sc | ec << 24) | <u64>(sd | ed << 24) << 32, 8);
}

/** Bytes to the half of a table that the fourth pair of a pack is in, of its first three. */
@inline function parityTable(symbols: u32, parity: u32): i32 {
  return <i32>((<u32>popcnt(symbols & 0x00111111) ^ parity) & 1) << 12;
}

/** Low bits of 64 codes, from planes of 8 bytes. */
@inline function readLows(widthBits: i32): void {
  for (let i = 0; i < ROW; i++) {
    let low = 0;
    for (let plane = 0; plane < widthBits; plane++) {
      low |= (<i32>load<u8>(bytesAt + (plane << 3) + (i >> 3)) >> (i & 7) & 1) << plane;
    }
    store<u8>(LOWS + i, low);
  }
  bytesAt += widthBits << 3;
}

function readRow(row: i32, foretold: i32, mode: i32): void {
  if (mode == 0) {
    const bias = i8x16.splat(-128);
    for (let i = 0; i < ROW; i += 16) {
      const low = i16x8.shr_s(v128.load(foretold + (i << 1)), 1);
      const high = i16x8.shr_s(v128.load(foretold + (i << 1), 16), 1);
      v128.store(row + i, i8x16.sub(i8x16.narrow_i16x8_s(low, high), bias));
    }
    return;
  }
  const isLattice = mode >= FIRST_LATTICE && mode < FIRST_WIDE;
  const widthBits = modeWidth(mode);
  const tables = slotTables + (modeScale(mode) << 16);
  let shifts = 0;
  if (isLattice) shifts = <i32>load<u8>(bytesAt++);
  prepareRow(foretold, shifts, widthBits);
  if (isLattice) {
    readPacks(0, tables, true);
    readPacks(4, tables, true);
  } else {
    readPacks(0, tables, false);
    readPacks(4, tables, false);
  }
  const mask = i8x16.splat(15);
  const bias = i8x16.splat(<i8>(widthBits == 0 ? 121 : -7));
  let escapes = 0;
  for (let i = 0; i < 4; i++) {
    const pairs = v128.load64_zero(SYMBOLS + (i << 3));
    const low = v128.and(pairs, mask);
    const high = i8x16.shr_u(pairs, 4);
    escapes |= (i8x16.bitmask(i8x16.eq(low, mask)) & 255) << (i << 3);
    const digits = v128.shuffle<u8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const codes = i8x16.add(i8x16.add(digits, v128.load(CENTRES + (i << 4))), bias);
    v128.store(row + (i << 4), codes);
  }
  if (widthBits > 0) readLows(widthBits);
  while (escapes != 0) {
    const pair = ctz(escapes);
    escapes &= escapes - 1;
    store<u16>(row + (pair << 1), load<u16>(bytesAt));
    bytesAt += 2;
  }
  if (widthBits > 0) {
    const biased = i8x16.splat(-128);
    for (let i = 0; i < ROW; i += 16) {
      const codes = v128.or(i8x16.shl(v128.load(row + i), widthBits), v128.load(LOWS + i));
      v128.store(row + i, i8x16.sub(codes, biased));
    }
  }
}

/** A signed number that is written as its double, less one if it is negative. */
@inline function fromZigzag(z: i32): i32 {
  return (z >>> 1) ^ -(z & 1);
}

@inline function amplitudeOf(symbol: i32): i32 {
  if (symbol != 255) return fromZigzag(symbol);
  const value = <i32>load<i16>(bytesAt);
  bytesAt += 2;
  return value;
}

/** Sets where states, units and bytes lie. */
export function beginChannels(states: i32, units: i32, bytes: i32): void {
  a = load<u32>(states);
  b = load<u32>(states, 4);
  c = load<u32>(states, 8);
  d = load<u32>(states, 12);
  at = units;
  bytesAt = bytes;
}

/** Stores the states; where units and bytes go on is behind them. */
export function endChannels(states: i32): void {
  store<u32>(states, a);
  store<u32>(states, b, 4);
  store<u32>(states, c, 8);
  store<u32>(states, d, 12);
  store<u32>(states, at, 16);
  store<u32>(states, bytesAt, 20);
}

/**
 * Reads rows, two by two.
 *
 * @param classes u8 by row; `centres` likewise.
 * @param classSlots u32 [class][2]: tables of modes and of amplitudes, 0 where a class has none.
 * @param turns u32 by pair of rows: where its turns lie.
 * @returns 0, or 1 + the index of a row that cannot be.
 */
export function readChannels(
  rows: i32,
  count: i32,
  classes: i32,
  centres: i32,
  classSlots: i32,
  turns: i32,
  unitsEnd: i32,
  bytesEnd: i32,
): i32 {
  for (let index = 0; index < count; index += 2) {
    const first = classSlots + (<i32>load<u8>(classes + index) << 3);
    const second = classSlots + (<i32>load<u8>(classes + index, 1) << 3);
    const firstSlots = load<i32>(first, 4);
    const secondSlots = load<i32>(second, 4);
    const firstModes = load<i32>(first);
    const secondModes = load<i32>(second);
    if (firstModes == 0 || secondModes == 0) return index + 1;
    const p = byteSymbol(a, firstSlots);
    const q = byteSymbol(b, secondSlots);
    const firstMode = byteSymbol(c, firstModes);
    const secondMode = byteSymbol(d, secondModes);
    a = refill(afterByte(a, firstSlots, p));
    b = refill(afterByte(b, secondSlots, q));
    c = refill(afterByte(c, firstModes, firstMode));
    d = refill(afterByte(d, secondModes, secondMode));
    if (firstMode >= MODE_COUNT || secondMode >= MODE_COUNT) return index + 1;
    const u = amplitudeOf(p) + ((<i32>load<u8>(centres + index) - 128) << 1);
    const v = amplitudeOf(q) + ((<i32>load<u8>(centres + index, 1) - 128) << 1);
    foretell(load<i32>(turns + (index << 1)), u, v);
    readRow(rows + (index << 6), FORETOLD, firstMode);
    readRow(rows + (index << 6) + ROW, FORETOLD + 128, secondMode);
    if (at > unitsEnd || bytesAt > bytesEnd) return index + 1;
  }
  return 0;
}

// --- Writing -------------------------------------------------------------------------------------

/** Shifts of a row's packs; its points in halves go to `points`. */
@inline function pointsOf(row: i32, points: i32): i32 {
  const bias = i16x8.splat(128);
  let shifts = 0;
  for (let pack = 0; pack < 8; pack++) {
    const codes = i16x8.sub(v128.load8x8_u(row + (pack << 3)), bias);
    const shift = popcnt(i16x8.bitmask(i16x8.shl(codes, 15))) & 1;
    shifts |= shift << pack;
    v128.store(points + (pack << 4), i16x8.add(i16x8.shl(codes, 1), shiftOf(shift)));
  }
  return shifts;
}

@inline function sumOf(sums: v128): i32 {
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

@inline function scaleOf(squares: i32): i32 {
  let scale = 0;
  while (scale < SCALE_COUNT - 1 && <u32>squares > load<u32>(LIMITS + (scale << 2))) scale++;
  return scale;
}

/** The mode in which a row is likely to take the fewest bits. */
function modeOf(row: i32, foretold: i32, points: i32): i32 {
  const bias = i16x8.splat(128);
  let own = i32x4.splat(0);
  let shifted = i32x4.splat(0);
  let other = i16x8.splat(0);
  for (let pack = 0; pack < 8; pack++) {
    const expected = v128.load(foretold + (pack << 4));
    const codes = i16x8.sub(v128.load8x8_u(row + (pack << 3)), bias);
    const error = i16x8.sub(i16x8.shl(codes, 1), expected);
    const pointError = i16x8.sub(v128.load(points + (pack << 4)), expected);
    own = i32x4.add(own, i32x4.dot_i16x8_s(error, error));
    shifted = i32x4.add(shifted, i32x4.dot_i16x8_s(pointError, pointError));
    other = v128.or(other, v128.xor(codes, i16x8.shr_s(expected, 1)));
  }
  if (!v128.any_true(other)) return 0;
  const squares = sumOf(own);
  const lattice = scaleOf(sumOf(shifted));
  const plain = scaleOf(squares);
  if (<u32>squares > load<u32>(LIMITS + 48)) {
    let widthBits = 1;
    while (widthBits < 5 && <u32>(squares >> (2 * widthBits)) > load<u32>(LIMITS + 48)) widthBits++;
    const scale = max(scaleOf(squares >> (2 * widthBits)), FIRST_WIDE_SCALE);
    return FIRST_WIDE + (widthBits - 1) * WIDE_SCALES + scale - FIRST_WIDE_SCALE;
  }
  return load<u16>(COSTS + (plain << 1)) <= load<u16>(COSTS + 26 + (lattice << 1))
    ? FIRST_PLAIN + plain
    : FIRST_LATTICE + lattice;
}

/**
 * Chooses amplitudes and modes of rows, two by two: `amplitudes` i16 by row, less twice the
 * centre; `modes` u8 by row.
 */
export function chooseChannels(
  rows: i32,
  count: i32,
  centres: i32,
  turns: i32,
  amplitudes: i32,
  modes: i32,
): void {
  for (let index = 0; index < count; index += 2) {
    const row = rows + (index << 6);
    const own = load<i32>(turns + (index << 1));
    pointsOf(row, POINTS);
    pointsOf(row + ROW, POINTS + 128);
    let sines = i32x4.splat(0);
    let cosines = i32x4.splat(0);
    for (let pack = 0; pack < 8; pack++) {
      const first = v128.load(POINTS + (pack << 4));
      const second = v128.load(POINTS + (pack << 4), 128);
      const low = v128.shuffle<u16>(second, first, 0, 8, 1, 9, 2, 10, 3, 11);
      const high = v128.shuffle<u16>(second, first, 4, 12, 5, 13, 6, 14, 7, 15);
      const to = own + (pack << 5);
      sines = i32x4.add(sines, i32x4.dot_i16x8_s(low, v128.load(to)));
      sines = i32x4.add(sines, i32x4.dot_i16x8_s(high, v128.load(to, 16)));
      cosines = i32x4.add(cosines, i32x4.dot_i16x8_s(low, v128.load(to, 256)));
      cosines = i32x4.add(cosines, i32x4.dot_i16x8_s(high, v128.load(to, 272)));
    }
    const u = (sumOf(cosines) + (1 << 19)) >> 20;
    const v = (sumOf(sines) + (1 << 19)) >> 20;
    foretell(own, u, v);
    store<i16>(amplitudes + (index << 1), u - ((<i32>load<u8>(centres + index) - 128) << 1));
    store<i16>(amplitudes + (index << 1), v - ((<i32>load<u8>(centres + index, 1) - 128) << 1), 2);
    store<u8>(modes + index, modeOf(row, FORETOLD, POINTS));
    store<u8>(modes + index, modeOf(row + ROW, FORETOLD + 128, POINTS + 128), 1);
  }
}

@inline function pushByte(x: u32, entry: u32): u32 {
  const frequency = entry & 0xffff;
  if (x >>> 19 >= frequency) {
    at -= 2;
    store<u16>(at, x);
    x >>>= 16;
  }
  const quotient = x / frequency;
  return (quotient << 12) + (x - quotient * frequency) + (entry >>> 16);
}

@inline function variantModels(tables: i32, pack: i32, pair: i32): i32 {
  return tables + ((<i32>load<u8>(VARIANTS + pack) >>> (2 * pair) & 3) << 12);
}

@inline function modelAt(models: i32, symbol: i32): u64 {
  return load<u64>(models + (symbol << 3));
}

/** What a state becomes with a pair; it has room for it. */
@inline function withPair(x: u32, model: u64, bits: i32): u32 {
  const quotient = <u32>((<u64>x * (model & 0xffffffff)) >>> (31 + (model >>> 56)));
  return (quotient << bits) + (x - quotient * frequencyOf(model)) + (<u32>(model >>> 44) & 0xfff);
}

@inline function frequencyOf(model: u64): u32 {
  return <u32>(model >>> 32) & 0xfff;
}

/**
 * The fourth pairs are pushed first: the last that is read. A unit is put down before all others, and
 * counts if the state is too large.
 */
@inline function pushPacks(pack: i32, tables: i32, isLattice: bool): void {
  let xa = a;
  let xb = b;
  let xc = c;
  let xd = d;
  let to = at;
  for (let pair = 3; pair >= 0; pair--) {
    const isLast = isLattice && pair == 3;
    const offset = isLast ? PARITY_MODELS : 0;
    const bits = isLast ? PARITY_BITS : PAIR_BITS;
    const from = SYMBOLS + (pack << 2) + pair;
    const md = modelAt(variantModels(tables, pack + 3, pair) + offset, load<u8>(from, 12));
    const mc = modelAt(variantModels(tables, pack + 2, pair) + offset, load<u8>(from, 8));
    const mb = modelAt(variantModels(tables, pack + 1, pair) + offset, load<u8>(from, 4));
    const ma = modelAt(variantModels(tables, pack + 0, pair) + offset, load<u8>(from, 0));
    const fd = xd >>> (31 - bits) >= frequencyOf(md);
    store<u16>(to - 2, xd);
    to -= <i32>fd << 1;
    xd = withPair(select(xd >>> 16, xd, fd), md, bits);
    const fc = xc >>> (31 - bits) >= frequencyOf(mc);
    store<u16>(to - 2, xc);
    to -= <i32>fc << 1;
    xc = withPair(select(xc >>> 16, xc, fc), mc, bits);
    const fb = xb >>> (31 - bits) >= frequencyOf(mb);
    store<u16>(to - 2, xb);
    to -= <i32>fb << 1;
    xb = withPair(select(xb >>> 16, xb, fb), mb, bits);
    const fa = xa >>> (31 - bits) >= frequencyOf(ma);
    store<u16>(to - 2, xa);
    to -= <i32>fa << 1;
    xa = withPair(select(xa >>> 16, xa, fa), ma, bits);
  }
  a = xa;
  b = xb;
  c = xc;
  d = xd;
  at = to;
}

/** Digits of a row in pairs; a pair that has no slot, or not the parity it must have, escapes. */
@inline function symbolsOf(tables: i32, isLattice: bool): void {
  for (let pack = 0; pack < 8; pack++) {
    let parity = <i32>load<u8>(PARITIES + pack);
    for (let pair = 0; pair < 4; pair++) {
      const digits = DIGITS + (pack << 3) + (pair << 1);
      let symbol = <i32>load<u8>(digits) | <i32>load<u8>(digits, 1) << 4;
      const isFar = ((load<u8>(digits) | load<u8>(digits, 1)) & 0x80) != 0;
      const models = variantModels(tables, pack, pair);
      if (isLattice && pair == 3) {
        if (isFar || parityOf(symbol) != (parity & 1) || modelAt(models + PARITY_MODELS, symbol) == 0) {
          symbol = (parity & 1) == 1 ? ODD_ESCAPE : ESCAPE;
        }
      } else {
        if (isFar || modelAt(models, symbol) == 0) symbol = ESCAPE;
        parity ^= parityOf(symbol);
      }
      store<u8>(SYMBOLS + (pack << 2) + pair, symbol);
    }
  }
}

function writeLows(row: i32, widthBits: i32): void {
  bytesAt -= widthBits << 3;
  for (let plane = 0; plane < widthBits; plane++) {
    for (let i = 0; i < 4; i++) {
      const bits = i8x16.bitmask(i8x16.shl(v128.load(row + (i << 4)), 7 - plane));
      store<u16>(bytesAt + (plane << 3) + (i << 1), bits);
    }
  }
}

function writeRow(row: i32, foretold: i32, mode: i32): void {
  if (mode == 0) return;
  const isLattice = mode >= FIRST_LATTICE && mode < FIRST_WIDE;
  const widthBits = modeWidth(mode);
  const tables = modelTables + (modeScale(mode) << 14);
  const shifts = isLattice ? pointsOf(row, POINTS) : 0;
  prepareRow(foretold, shifts, widthBits);
  const bias = i16x8.splat(128);
  const seven = i16x8.splat(7);
  const most = i8x16.splat(14);
  for (let pack = 0; pack < 8; pack += 2) {
    const low = i16x8.shr_s(i16x8.sub(v128.load8x8_u(row + (pack << 3)), bias), widthBits);
    const high = i16x8.shr_s(i16x8.sub(v128.load8x8_u(row + (pack << 3), 8), bias), widthBits);
    const centres = v128.load(CENTRES + (pack << 3));
    const first = i16x8.add(i16x8.sub(low, i16x8.extend_low_i8x16_s(centres)), seven);
    const second = i16x8.add(i16x8.sub(high, i16x8.extend_high_i8x16_s(centres)), seven);
    const digits = i8x16.narrow_i16x8_u(first, second);
    const below = i8x16.narrow_i16x8_s(i16x8.shr_s(first, 15), i16x8.shr_s(second, 15));
    const far = v128.or(below, i8x16.gt_u(digits, most));
    v128.store(DIGITS + (pack << 3), v128.or(digits, v128.and(far, i8x16.splat(-128))));
  }
  symbolsOf(tables, isLattice);
  for (let pair = 31; pair >= 0; pair--) {
    if ((load<u8>(SYMBOLS + pair) & 15) != 15) continue;
    bytesAt -= 2;
    const second = <i32>load<u8>(row + (pair << 1), 1);
    const first = <i32>load<u8>(row + (pair << 1));
    if (widthBits == 0) store<u16>(bytesAt, first | second << 8);
    else store<u16>(bytesAt, ((first - 128) >> widthBits & 255) | (second - 128) >> widthBits << 8);
  }
  if (widthBits > 0) writeLows(row, widthBits);
  if (isLattice) store<u8>(--bytesAt, shifts);
  if (isLattice) {
    pushPacks(4, tables, true);
    pushPacks(0, tables, true);
  } else {
    pushPacks(4, tables, false);
    pushPacks(0, tables, false);
  }
}

/** The symbol of an amplitude. */
@inline function amplitudeSymbol(amplitude: i32): i32 {
  return amplitude < -127 || amplitude > 127 ? 255 : ((amplitude << 1) ^ (amplitude >> 31)) & 255;
}

/** Symbols of amplitudes: i16 to u8. */
export function amplitudeSymbols(amplitudes: i32, count: i32, symbols: i32): void {
  for (let row = 0; row < count; row++) {
    store<u8>(symbols + row, amplitudeSymbol(load<i16>(amplitudes + (row << 1))));
  }
}

@inline function pushAmplitude(amplitude: i32): void {
  if (amplitudeSymbol(amplitude) != 255) return;
  bytesAt -= 2;
  store<i16>(bytesAt, <i16>amplitude);
}

/**
 * Writes rows, the last two first. `classModels` [class][2] of u32 [256]: of modes, of amplitudes.
 */
export function writeChannels(
  rows: i32,
  count: i32,
  classes: i32,
  centres: i32,
  classModels: i32,
  turns: i32,
  amplitudes: i32,
  modes: i32,
): void {
  for (let index = count - 2; index >= 0; index -= 2) {
    const u = <i32>load<i16>(amplitudes + (index << 1));
    const v = <i32>load<i16>(amplitudes + (index << 1), 2);
    const firstMode = <i32>load<u8>(modes + index);
    const secondMode = <i32>load<u8>(modes + index, 1);
    foretell(
      load<i32>(turns + (index << 1)),
      u + ((<i32>load<u8>(centres + index) - 128) << 1),
      v + ((<i32>load<u8>(centres + index, 1) - 128) << 1),
    );
    writeRow(rows + (index << 6) + ROW, FORETOLD + 128, secondMode);
    writeRow(rows + (index << 6), FORETOLD, firstMode);
    pushAmplitude(v);
    pushAmplitude(u);
    const first = classModels + (<i32>load<u8>(classes + index) << 11);
    const second = classModels + (<i32>load<u8>(classes + index, 1) << 11);
    d = pushByte(d, load<u32>(second + (secondMode << 2)));
    c = pushByte(c, load<u32>(first + (firstMode << 2)));
    b = pushByte(b, load<u32>(second + (amplitudeSymbol(v) << 2), 1024));
    a = pushByte(a, load<u32>(first + (amplitudeSymbol(u) << 2), 1024));
  }
}
