import type { SliceSample } from "../../calibration/samples.ts";
import type { HeadShape } from "../../codec/raw_tile.ts";
import type { Learning } from "./baseline.ts";
import { eigenvectors } from "./eigen.ts";
import { largestPowerOfTwoIn, rotate } from "./rotation.ts";

/** Rotations are stored as f16. */
const ELEMENT_SIZE_BYTES = 2;

/** A matrix for each KV head of a layer, f64 or f32 `[headSize][headSize]`. */
interface HeadMatrices<Matrix> {
  keys: Matrix[];
  values: Matrix[];
}

/**
 * The rotations of OSCAR, from a text that is read twice. Of a head's queries `q`, keys `k` and
 * values `v`, as row vectors, both sums over the text:
 *
 * - keys: `C = sum q^T q`, what errors of a key are weighed by;
 * - values: `sum (k C k^T) v^T v`, values by how much their keys are asked for.
 *
 * `R = U H P`: `U` has the eigenvectors as columns, by descending eigenvalue, `H` is the normalised
 * Hadamard matrix, in runs where the head's size is no power of two. `P` deals the columns out to
 * the groups that share a scale, one after the other: the original's reversal of bits does no more,
 * since neither the order within a group nor that of groups matters.
 */
export class OscarRotations implements Learning {
  readonly passCount = 2;
  readonly #shape: HeadShape;
  readonly #groupSize: number;
  readonly #sums = new Map<number, HeadMatrices<Float64Array>>();
  readonly #rotations = new Map<number, HeadMatrices<Float32Array>>();
  #pass = 0;

  /** None yet, for heads of which so many channels share a scale. */
  constructor(shape: HeadShape, groupSize: number) {
    this.#shape = shape;
    this.#groupSize = groupSize;
  }

  get isDone(): boolean {
    return this.#pass === this.passCount;
  }

  /** Bytes of all rotations. */
  get sizeBytes(): number {
    const { kvHeadCount, headSize } = this.#shape;
    return this.#rotations.size * 2 * kvHeadCount * headSize ** 2 * ELEMENT_SIZE_BYTES;
  }

  /** Adds rows; those of layers with other heads, which are never sealed, are left out. */
  add(layer: number, sample: SliceSample): void {
    const { kvHeadCount, headSize } = this.#shape;
    const { rowCount, queries, keys, values } = sample;
    if (keys.length !== rowCount * kvHeadCount * headSize) return;
    const sums = this.#sumsOf(layer);
    const groupSize = queries.length / keys.length;
    for (let row = 0; row < rowCount; row++) {
      for (let head = 0; head < kvHeadCount; head++) {
        const own = sums.keys[head];
        const at = (row * kvHeadCount + head) * headSize;
        if (this.#pass === 0) {
          for (let query = 0; query < groupSize; query++) {
            const from = at * groupSize + query * headSize;
            addSquare(own, queries.subarray(from, from + headSize), 1);
          }
        } else {
          const weight = squareBy(own, keys.subarray(at, at + headSize));
          addSquare(sums.values[head], values.subarray(at, at + headSize), weight);
        }
      }
    }
  }

  endPass(): void {
    this.#pass++;
    if (!this.isDone) return;
    for (const [layer, { keys, values }] of this.#sums) {
      const [k, v] = [keys, values].map((side) => side.map((sum) => this.#rotation(sum)));
      this.#rotations.set(layer, { keys: k, values: v });
    }
    this.#sums.clear();
  }

  /**
   * Those of a layer.
   *
   * @throws {TypeError} If the text has not been read, or the layer's heads are others.
   */
  of(layer: number): HeadMatrices<Float32Array> {
    const rotations = this.#rotations.get(layer);
    if (rotations) return rotations;
    throw new TypeError(`Cannot turn heads of layer ${layer}: nothing was learned of it`);
  }

  #sumsOf(layer: number): HeadMatrices<Float64Array> {
    const { kvHeadCount, headSize } = this.#shape;
    const zeros = () =>
      Array.from({ length: kvHeadCount }, () => new Float64Array(headSize * headSize));
    const sums = this.#sums.get(layer) ?? { keys: zeros(), values: zeros() };
    this.#sums.set(layer, sums);
    return sums;
  }

  #rotation(covariance: Float64Array): Float32Array {
    const { headSize } = this.#shape;
    const groupCount = headSize / this.#groupSize;
    const turned = Float32Array.from(eigenvectors(covariance, headSize).columns);
    const rows = { values: turned, shape: { kvHeadCount: 1, headSize }, firstToken: 0 };
    rotate(rows, largestPowerOfTwoIn(headSize));
    return turned.map((_, at) => {
      const column = at % headSize;
      const rank = column % this.#groupSize * groupCount + Math.floor(column / this.#groupSize);
      return turned[at - column + rank];
    });
  }
}

/** Adds `weight x^T x`. */
function addSquare(sum: Float64Array, x: Float32Array, weight: number): void {
  for (let i = 0; i < x.length; i++) {
    const factor = weight * x[i];
    for (let j = 0; j < x.length; j++) sum[i * x.length + j] += factor * x[j];
  }
}

/** `x matrix x^T`. */
function squareBy(matrix: Float64Array, x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    let row = 0;
    for (let j = 0; j < x.length; j++) row += matrix[i * x.length + j] * x[j];
    sum += x[i] * row;
  }
  return sum;
}
