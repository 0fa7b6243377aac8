import { assert, assertAlmostEquals } from "@std/assert";
import { eigenvectors } from "../../../src/evaluation/baselines/eigen.ts";
import { seededNormals } from "../../support/numeric.ts";

/** `sum of x^T x` of seeded rows: symmetric, and of full rank. */
function covariance(size: number): Float64Array {
  const rows = seededNormals(3 * size * size, size);
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    let sum = 0;
    for (let row = 0; row < 3 * size; row++) sum += rows[row * size + i] * rows[row * size + j];
    return sum;
  });
}

Deno.test("eigenvectors() has orthogonal columns that the matrix only stretches, largest first", () => {
  for (const size of [1, 2, 33, 64]) {
    const matrix = covariance(size);
    const { values, columns } = eigenvectors(matrix, size);
    for (let a = 0; a < size; a++) {
      assert(a === 0 || values[a] <= values[a - 1], `value ${a} of ${size} is not in order`);
      for (let i = 0; i < size; i++) {
        let [product, dot] = [0, 0];
        for (let j = 0; j < size; j++) {
          product += matrix[i * size + j] * columns[j * size + a];
          dot += columns[j * size + a] * columns[j * size + i];
        }
        assertAlmostEquals(product, values[a] * columns[i * size + a], 1e-9 * values[0]);
        assertAlmostEquals(dot, i === a ? 1 : 0, 1e-12);
      }
    }
  }
});
