/**
 * What records of all codecs have in common. FORMAT.md section 2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";

/** Which half of the cache: 0 for K, 1 for V. */
export type Side = 0 | 1;
/** {@link Side} of the keys. */
export const KEY: Side = 0;
/** {@link Side} of the values. */
export const VALUE: Side = 1;

/** Words of a raw tile: 64 tokens of one layer, K and V, as pairs of f16. */
export function rawTileWords(shape: { kvHeadCount: number; headSize: number }): number {
  return 2 * shape.kvHeadCount * shape.headSize * (BLOCK_TOKEN_COUNT / 2);
}
