/** Where keys and values lie in the raw window. FORMAT.md, raw tiles. */

import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";

/** Heads of a model. */
export interface HeadShape {
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
}

/** Whose token a row is. */
export interface WindowRow {
  slot: number;
  position: number;
}

/** Puts the channels of one head where the raw tile has them, as halves. */
export function placeHead(
  halves: Float64Array,
  values: ArrayLike<number>,
  at: HeadShape & WindowRow & { side: number; head: number; tileCount?: number },
): void {
  const { kvHeadCount, headSize, slot, position, side, head, tileCount = WINDOW_TILE_COUNT } = at;
  const sideLength = kvHeadCount * headSize * 64;
  const tile = Math.floor(position / 64) % tileCount;
  const start = ((slot * tileCount + tile) * 2 + side) * sideLength;
  const token = position % 64;
  for (let c = 0; c < headSize; c++) {
    const vector = head * (headSize / 8) + Math.floor(c / 8);
    const offset = side === 0 ? (vector * 64 + token) * 8 + c % 8 : (head * 64 + token) *
        headSize + c;
    halves[start + offset] = values[c];
  }
}

/** The halves of words. */
export function halvesOf(words: Uint32Array): Float32Array {
  return Float32Array.from(new Float16Array(words.buffer as ArrayBuffer));
}
