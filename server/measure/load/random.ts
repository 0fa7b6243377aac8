/**
 * A seeded source of random numbers, so that a run's arrivals, lengths and prompts can be repeated.
 *
 * @module
 */

/** Numbers from [0, 1), the same for the same seed. */
export type Random = () => number;

/** Makes a source from a seed (Mulberry32: 32 bits of state). */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `min` to `max`, both possible. */
export function randomInteger(random: Random, { min, max }: { min: number; max: number }): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** A gap between two events of a Poisson process, of mean `mean`. */
export function randomGap(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}
