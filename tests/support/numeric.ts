/** Seeded inputs and error measures for kernel tests. */

import { assert } from "@std/assert";
import { seededRandom } from "../../src/core/seeded_random.ts";

export { seededRandom };

/** Seeded, normally distributed f32 values (Box-Muller), times `scale`. */
export function seededNormals(count: number, seed: number, scale = 1): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return radius * Math.cos(2 * Math.PI * random()) * scale;
  });
}

/** Normalised mean squared error: `sum (a - e)^2 / sum e^2`. */
export function normalisedError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return norm === 0 ? error : error / norm;
}

/** Fails if the normalised error exceeds `nmseMax`, or a value is not finite. */
export function assertNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  nmseMax: number,
  what = "",
): void {
  assert(actual.length === expected.length, `${what} has ${expected.length} values`);
  const error = normalisedError(actual, expected);
  assert(error <= nmseMax, `${what} normalised error is ${error}, allowed ${nmseMax}`);
}
