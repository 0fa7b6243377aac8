/**
 * Fields of a few bits in an array of 32-bit words. Bit 0 is the least significant bit of word 0;
 * a field may straddle two words. FORMAT.md section 2.
 *
 * @module
 */

/**
 * The field of `widthBits` bits at `bitOffset`.
 *
 * @param widthBits 0 to 25; 0 reads nothing and gives 0.
 */
export function readBits(words: Uint32Array, bitOffset: number, widthBits: number): number {
  if (widthBits === 0) return 0;
  const word = bitOffset >>> 5;
  const shift = bitOffset & 31;
  let value = words[word] >>> shift;
  if (shift + widthBits > 32) value |= words[word + 1] << (32 - shift);
  return value & ((1 << widthBits) - 1);
}

/**
 * Writes a field of `widthBits` bits over zero bits at `bitOffset`.
 *
 * @param value At least 0, below `2 ** widthBits`.
 * @param widthBits 0 to 25; 0 writes nothing.
 */
export function writeBits(
  words: Uint32Array,
  bitOffset: number,
  field: { value: number; widthBits: number },
): void {
  const { value, widthBits } = field;
  if (widthBits === 0) return;
  const word = bitOffset >>> 5;
  const shift = bitOffset & 31;
  words[word] |= value << shift;
  if (shift + widthBits > 32) words[word + 1] |= value >>> (32 - shift);
}
