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

/** Where the values of a record lie, so that they can lie apart. Words from its beginning. */
export interface ValuePart {
  /** Words that stay in the record's place: a multiple of 4. */
  keyWords: number;
  /** First word of the values: a multiple of 4, so that they are read in the same strides. */
  firstWord: number;
  /** Words of the values: a multiple of 4. */
  wordCount: number;
  /** First word of those that say where the sections of the values begin. */
  tableWord: number;
  /** Where they begin in a record that is whole. */
  sections: readonly number[];
}
