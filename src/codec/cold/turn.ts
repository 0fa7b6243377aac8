/**
 * Angles as the cold form counts them. FORMAT.md section 9.7.
 *
 * @module
 */

/**
 * By layer u32 `[headSize / 2]`: what each pair of neighbouring channels of K turns by from a token
 * to the next, in parts of 2^32 of a turn. Null: nothing turns.
 */
export type LayerTurns = readonly Uint32Array[] | null;

/** Radians as the parts of 2^32 of a turn that they are nearest to. */
export function turnOf(radians: number): number {
  const turns = radians / (2 * Math.PI);
  return Math.round((turns - Math.floor(turns)) * 2 ** 32) >>> 0;
}
