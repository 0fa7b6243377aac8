import kScales from "../../../shaders/lib/weight_k_scales.wgsl" with { type: "text" };
import { constantLines } from "../../gpu/wgsl_template.ts";
import { GROUP_ROW_COUNT, joinTexts, putSideWord, type UnitTarget } from "./spec.ts";

/** Blocks of 32 columns in a unit of 256. */
const SUB_BLOCK_COUNT = 8;

/** Vectors from a row's block to the next, of formats with one vector each. */
const BLOCK_STRIDE = GROUP_ROW_COUNT;

/**
 * Four words: two f16, then scales and minima of 6 bits: the low 4 of the scales, those of the
 * minima, the high 2 of both, as `weight_k_scales.wgsl` has them. In the file bytes 0 to 3 and 4 to
 * 7 have those of blocks 0 to 3 and the high 2 bits of the others, bytes 8 to 11 the others' low 4.
 */
export function writeScales(view: DataView, at: number, target: UnitTarget): void {
  const [a, b, c] = [4, 8, 12].map((byte) => view.getUint32(at + byte, true));
  const low = gatherNibbles(a) | gatherNibbles(c) << 16;
  const lowMinima = gatherNibbles(b) | gatherNibbles(c >>> 4) << 16;
  const high = gatherPairs(a >>> 4) | gatherPairs(a >>> 6) << 8;
  const highMinima = gatherPairs(b >>> 4) | gatherPairs(b >>> 6) << 8;
  const both = spreadNibbles(high) | spreadNibbles(highMinima) << 4;
  putSideWord(target, 0, view.getUint32(at, true));
  putSideWord(target, 1, low);
  putSideWord(target, 2, lowMinima);
  putSideWord(target, 3, both);
}

/** Puts the low 4 bits of each byte of `word` side by side. */
function gatherNibbles(word: number): number {
  const bits = word & 0x0f0f0f0f;
  return bits & 15 | bits >>> 4 & 0xf0 | bits >>> 8 & 0xf00 | bits >>> 12 & 0xf000;
}

/** Puts 4 groups of 4 bits in the low halves of the bytes of a word. */
function spreadNibbles(bits: number): number {
  return bits & 15 | (bits & 0xf0) << 4 | (bits & 0xf00) << 8 | (bits & 0xf000) << 12;
}

/** Puts the lowest 2 bits of each byte of `word` side by side. */
function gatherPairs(word: number): number {
  const bits = word & 0x03030303;
  return (bits | bits >>> 6 | bits >>> 12 | bits >>> 18) & 255;
}

/**
 * Writes the low 4 bits of each block: columns 0 to 15 in the low halves of bytes, 16 to 31 in the
 * high ones.
 *
 * @param fourAt Nibbles of columns `4 * index` to `4 * index + 3` of a block, a byte each.
 */
export function writeNibbles(
  { words, vector }: UnitTarget,
  fourAt: (sub: number, index: number) => number,
): void {
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    const first = 4 * (vector + sub * BLOCK_STRIDE);
    for (let index = 0; index < 4; index++) {
      words[first + index] = fourAt(sub, index) | (fourAt(sub, index + 4) << 4);
    }
  }
}

/** Of 64 columns, the file has the first 32 in the low halves of bytes. */
export function pairedNibbles(view: DataView, at: number, sub: number, index: number): number {
  const word = view.getUint32(at + (sub >> 1) * 32 + 4 * index, true);
  return (word >>> ((sub & 1) * 4)) & 0x0f0f0f0f;
}

/** Calls `each` with the place of every block of 32 columns, of formats with one vector each. */
export function eachSubBlock(
  target: UnitTarget,
  each: (block: UnitTarget, sub: number) => void,
): void {
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    each({ ...target, vector: target.vector + sub * BLOCK_STRIDE }, sub);
  }
}

/**
 * Writes codes of 2 bits, two rows to a vector: column `4 * q + k` at bits `8 * k + 2 * q`. In the
 * file, of each 128 columns, a byte has those of 4 that are 32 apart.
 */
export function writePairs(view: DataView, at: number, { words, vector, row }: UnitTarget): void {
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    const first = 4 * (vector + sub * (BLOCK_STRIDE / 2)) + 2 * (row & 1);
    for (let half = 0; half < 2; half++) {
      let word = 0;
      for (let i = 0; i < 4; i++) {
        const byte = at + (sub >> 2) * 32 + half * 16 + 4 * i;
        word |= ((view.getUint32(byte, true) >>> (2 * (sub & 3))) & 0x03030303) << (2 * i);
      }
      words[first + half] = word;
    }
  }
}

/**
 * Writes high bits as words `index` and up of the side data, one for each block: bit `8 * k + p` is
 * that of column `4 * p + k`, turned over if `turned` is -1. The file has bit `sub` of byte `i`
 * for column `i` of block `sub`.
 */
export function writeHighBits(
  view: DataView,
  at: number,
  target: UnitTarget,
  { index, turned }: { index: number; turned: 0 | -1 },
): void {
  const high = Array.from({ length: 8 }, (_, i) => view.getUint32(at + 4 * i, true));
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    let word = 0;
    for (let i = 0; i < 8; i++) word |= ((high[i] >>> sub) & 0x01010101) << i;
    putSideWord(target, index + sub, word ^ turned);
  }
}

/** WGSL: what {@link writeScales} wrote, of side data of so many words for 32 rows. */
export function kScalesText(sideWordCount: number): string {
  return joinTexts(constantLines({ UNIT_VECTORS: sideWordCount / 4 }), kScales);
}
