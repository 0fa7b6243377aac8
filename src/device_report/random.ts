/** Numbers in [0, 1), the same each time. */
export function repeatable(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Values in [-scale, scale). */
export function randomValues(
  count: number,
  { seed, scale = 1 }: { seed: number; scale?: number },
): Float32Array<ArrayBuffer> {
  const random = repeatable(seed);
  return Float32Array.from({ length: count }, () => scale * (2 * random() - 1));
}

/** Squared error, by the squares of what is expected. */
export function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let index = 0; index < expected.length; index++) {
    difference += (actual[index] - expected[index]) ** 2;
    size += expected[index] ** 2;
  }
  return difference / size;
}
