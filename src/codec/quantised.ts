/**
 * A block between quantising and packing, and what quantisers of all codecs have in common.
 *
 * @module
 */

import { isFiniteF16 } from "./f16.ts";
import { type HeadShape, rawTileHalf } from "./raw_tile.ts";
import { KEY, VALUE } from "./record.ts";

/** Codes and token parameters of one side of a block. */
export interface QuantisedSide {
  /** u8 `[kvHeadCount * headSize][64]`; 0 for absent tokens. */
  codes: Uint8Array;
  /** u32 `[64]`: scale as f16 in the low, zero as i16 in the high half; 0 for absent tokens. */
  params: Uint32Array;
}

/** A block of one layer between quantising and packing; index 0 is K, 1 is V. */
export interface QuantisedBlock {
  /** Tokens present, 1 to 64. */
  tokenCount: number;
  /** K, then V. */
  sides: readonly [QuantisedSide, QuantisedSide];
}

/** `round(value * reciprocal)`: the product rounded to f32, then to an integer, ties to even. */
export function quantum(value: number, reciprocal: number): number {
  const magic = 1.5 * 2 ** 52; // adding it leaves no bits for a fraction
  return Math.fround(value * reciprocal) + magic - magic;
}

/**
 * Whether all values of the present tokens are finite. A block that is not is refused.
 *
 * @param tile Raw tile of one layer.
 */
export function isFiniteTile(shape: HeadShape, tile: Uint32Array, tokenCount: number): boolean {
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const channelCount = shape.kvHeadCount * shape.headSize;
  for (const side of [KEY, VALUE]) {
    for (let channel = 0; channel < channelCount; channel++) {
      for (let token = 0; token < tokenCount; token++) {
        if (!isFiniteF16(halves[rawTileHalf(shape, side, channel, token)])) return false;
      }
    }
  }
  return true;
}
