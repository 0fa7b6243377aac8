import { fieldWords, type UnitTarget } from "./spec.ts";

const codes = new Uint8Array(32);
const fields = new Uint32Array(5);

/**
 * Writes the codes of Q5_0 and Q5_1: bit `i` of the word at byte `at` is the highest of column `i`,
 * the 16 bytes behind it have the low 4 bits of columns `i` and `16 + i`.
 *
 * @returns The codes' fifth word.
 */
export function writeFives(view: DataView, at: number, { words, vector }: UnitTarget): number {
  const high = view.getUint32(at, true);
  for (let i = 0; i < 16; i++) {
    const low = view.getUint8(at + 4 + i);
    codes[i] = low & 15 | ((high >>> i) & 1) << 4;
    codes[16 + i] = low >> 4 | ((high >>> (16 + i)) & 1) << 4;
  }
  fieldWords(codes, 5, fields);
  words.set(fields.subarray(0, 4), 4 * vector);
  return fields[4];
}
