/**
 * Writers of super-blocks of 256 columns. Bits move and do not change.
 *
 * @module
 */

import { GROUP_ROW_COUNT } from "../kernels/weight_layout.ts";
import type { UnitTarget } from "./unit_target.ts";

const SUB_BLOCK_COUNT = 8;

/** Vectors from a row's block to the next, of formats with one vector each. */
const BLOCK_STRIDE = GROUP_ROW_COUNT;

/** Q4_K: 2 f16 and 12 bytes of scales as they are, then codes. */
export function writeQ4_K(view: DataView, at: number, target: UnitTarget): void {
  writeScales(view, at, target);
  writeNibbles(target, (sub, index) => pairedNibbles(view, at + 16, sub, index));
}

/** Q5_K: as Q4_K, with a word of high bits for each block of 32 columns. */
export function writeQ5_K(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  writeScales(view, at, target);
  writeNibbles(target, (sub, index) => pairedNibbles(view, at + 48, sub, index));
  const high = Array.from({ length: 8 }, (_, i) => view.getUint32(at + 16 + 4 * i, true));
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    let word = 0;
    for (let i = 0; i < 8; i++) {
      const bits = (high[i] >>> sub) & 0x01010101;
      word |= ((bits | bits >>> 7 | bits >>> 14 | bits >>> 21) & 15) << (4 * i);
    }
    side[sideStart + (4 + sub) * GROUP_ROW_COUNT + row] = word;
  }
}

/** Q6_K: low bits, then pairs of high bits, scales of 16 columns, and the f16 behind them. */
export function writeQ6_K(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  side[sideStart + (row >> 1)] |= view.getUint16(at + 208, true) << (16 * (row & 1));
  const scaleStart = sideStart + GROUP_ROW_COUNT / 2;
  for (let pair = 0; pair < 4; pair++) {
    side[scaleStart + pair * GROUP_ROW_COUNT + row] = view.getUint32(at + 192 + 4 * pair, true);
  }
  writeNibbles(target, (sub, index) => {
    const byte = at + (sub >> 2) * 64 + (sub & 1) * 32 + 4 * index;
    return (view.getUint32(byte, true) >>> ((sub & 2) * 2)) & 0x0f0f0f0f;
  });
  const highStart = scaleStart + 4 * GROUP_ROW_COUNT;
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    for (let half = 0; half < 2; half++) {
      let word = 0;
      for (let i = 0; i < 4; i++) {
        const byte = at + 128 + (sub >> 2) * 32 + half * 16 + 4 * i;
        const bits = (view.getUint32(byte, true) >>> (2 * (sub & 3))) & 0x03030303;
        word |= ((bits | bits >>> 6 | bits >>> 12 | bits >>> 18) & 255) << (8 * i);
      }
      side[highStart + (2 * sub + half) * GROUP_ROW_COUNT + row] = word;
    }
  }
}

/** Four words: both f16, then the 12 bytes of 6-bit scales and minima. */
function writeScales(view: DataView, at: number, { side, sideStart, row }: UnitTarget): void {
  for (let word = 0; word < 4; word++) {
    side[sideStart + word * GROUP_ROW_COUNT + row] = view.getUint32(at + 4 * word, true);
  }
}

/**
 * Writes the low 4 bits of each block: columns 0 to 15 in the low halves of bytes, 16 to 31 in the
 * high ones.
 *
 * @param fourAt Nibbles of columns `4 * index` to `4 * index + 3` of a block, a byte each.
 */
function writeNibbles(
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
function pairedNibbles(view: DataView, at: number, sub: number, index: number): number {
  const word = view.getUint32(at + (sub >> 1) * 32 + 4 * index, true);
  return (word >>> ((sub & 1) * 4)) & 0x0f0f0f0f;
}
