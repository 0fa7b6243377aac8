import type { ModelShape } from "../core/shapes.ts";

/**
 * Cosines and sines of RoPE for the rows of a step, computed in f64 so that angles stay accurate at
 * any position. Su et al. 2021, arXiv:2104.09864, with neighbouring channels as pairs.
 */
export class RopeTable {
  /** Radians per position of each pair of channels; 0 beyond the turned dimensions. */
  #frequencies: Float64Array;

  /** @param factors Divisors of the frequencies, `[ropeDimension / 2]`, if the file has them. */
  constructor(shape: ModelShape, factors: Float32Array | null) {
    const { headSize, ropeDimension, ropeBase, ropeScale } = shape;
    this.#frequencies = Float64Array.from({ length: headSize / 2 }, (_, pair) => {
      if (2 * pair >= ropeDimension) return 0;
      const factor = factors === null ? 1 : factors[pair];
      return ropeBase ** (-2 * pair / ropeDimension) / ropeScale / factor;
    });
  }

  /** f32 values of one row: cosine and sine for each of `headSize / 2` pairs. */
  get rowLength(): number {
    return 2 * this.#frequencies.length;
  }

  /** Fills row `row` of `target`, f32 `[rows, headSize / 2, 2]`, for `position`. */
  fillRow(target: Float32Array, row: number, position: number): void {
    let at = row * this.rowLength;
    for (const frequency of this.#frequencies) {
      target[at++] = Math.cos(position * frequency);
      target[at++] = Math.sin(position * frequency);
    }
  }
}
