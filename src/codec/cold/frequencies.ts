/**
 * Tables of how often each of 256 symbols comes, in parts of 4096: scaled, written and read.
 * FORMAT.md section 9.3.
 *
 * @module
 */

/** Bits of a frequency. */
export const FREQUENCY_BITS = 12;
/** Sum of the frequencies of a table. */
export const FREQUENCY_SUM: number = 1 << FREQUENCY_BITS;
/** Symbols of a table. */
export const SYMBOL_COUNT = 256;

/**
 * Scales counts to frequencies: each symbol that occurs has at least 1, and their sum is 4096. What
 * rounding leaves over goes to the most frequent symbols.
 *
 * @param counts `[256]`, with a sum below 2^31; of no symbol at all, symbol 0 has all.
 * @param frequencies u16 `[256]`, written.
 */
export function scaleCounts(counts: Uint32Array, frequencies: Uint16Array): void {
  let sum = 0;
  for (let symbol = 0; symbol < SYMBOL_COUNT; symbol++) sum += counts[symbol];
  frequencies.fill(0);
  if (sum === 0) {
    frequencies[0] = FREQUENCY_SUM;
    return;
  }
  let left = FREQUENCY_SUM;
  for (let symbol = 0; symbol < SYMBOL_COUNT; symbol++) {
    if (counts[symbol] === 0) continue;
    const share = Math.max(1, Math.floor(counts[symbol] * FREQUENCY_SUM / sum));
    frequencies[symbol] = share;
    left -= share;
  }
  while (left !== 0) {
    let most = 0;
    for (let symbol = 1; symbol < SYMBOL_COUNT; symbol++) {
      if (frequencies[symbol] > frequencies[most]) most = symbol;
    }
    const change = left > 0 ? left : Math.max(left, -(frequencies[most] >> 1));
    frequencies[most] += change;
    left -= change;
  }
}

/**
 * Appends a table: the first symbol and how many follow it, counting from 255 on to 0, then each
 * frequency in 7 bits a byte, the low ones first, bit 7 of a byte saying that another follows. A 0
 * is followed by how many more come after it.
 */
export function writeFrequencies(frequencies: Uint16Array, bytes: number[]): void {
  const { first, count } = span(frequencies);
  bytes.push(first, count - 1);
  for (let index = 0; index < count; index++) {
    const frequency = frequencies[(first + index) & 255];
    if (frequency >= 128) bytes.push((frequency & 127) | 128, frequency >> 7);
    else bytes.push(frequency);
    if (frequency > 0) continue;
    const start = index;
    while (index + 1 < count && frequencies[(first + index + 1) & 255] === 0) index++;
    bytes.push(index - start);
  }
}

/** The shortest run of symbols, going on from 255 to 0, that has all that occur. */
function span(frequencies: Uint16Array): { first: number; count: number } {
  let [gapEnd, gapLength] = [0, 0];
  let length = 0;
  for (let at = 0; at < 2 * SYMBOL_COUNT; at++) {
    length = frequencies[at & 255] === 0 ? length + 1 : 0;
    if (length > gapLength && length < SYMBOL_COUNT) [gapEnd, gapLength] = [at, length];
  }
  return { first: gapLength === 0 ? 0 : (gapEnd + 1) & 255, count: SYMBOL_COUNT - gapLength };
}

/**
 * Reads a table that {@link writeFrequencies} wrote.
 *
 * @param frequencies u16 `[256]`, written.
 * @returns Where the next one starts.
 * @throws {RangeError} if it is cut, or its sum is another.
 */
export function readFrequencies(bytes: Uint8Array, at: number, frequencies: Uint16Array): number {
  if (at + 2 > bytes.length) refuse("a table of frequencies is cut");
  frequencies.fill(0);
  const first = bytes[at++];
  const count = bytes[at++] + 1;
  let sum = 0;
  for (let index = 0; index < count; index++) {
    let frequency = bytes[at++];
    if (frequency >= 128) frequency = (frequency & 127) | (bytes[at++] << 7);
    if (frequency === 0) index += bytes[at++];
    if (at > bytes.length) refuse("a table of frequencies is cut");
    if (index >= count) refuse("a table of frequencies has too many symbols");
    if (frequency > 0) frequencies[(first + index) & 255] = frequency;
    sum += frequency;
  }
  if (sum !== FREQUENCY_SUM) {
    refuse(`the frequencies of a table add up to ${sum}, must be ${FREQUENCY_SUM}`);
  }
  return at;
}

/**
 * What coding looks up: the frequency of each symbol, and from bit 16 the first of its parts.
 *
 * @param model u32 `[256]`, written.
 */
export function writeModel(frequencies: Uint16Array, model: Uint32Array): void {
  let start = 0;
  for (let symbol = 0; symbol < SYMBOL_COUNT; symbol++) {
    model[symbol] = frequencies[symbol] | start << 16;
    start += frequencies[symbol];
  }
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a cold block: ${what}`);
}
