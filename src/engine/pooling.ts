/**
 * One vector for a text: what the last layer gives for its tokens, behind the final norm.
 *
 * @module
 */

import type { FinalNorm } from "../runtime/load.ts";
import type { Pooling } from "../runtime/types.ts";

/** Names of {@link Pooling}. */
export const POOLINGS: readonly Pooling[] = ["mean", "last"];

/** Pools the rows of one prompt. */
export class Pool {
  readonly #pooling: Pooling;
  readonly #norm: FinalNorm;
  readonly #sum: Float64Array;
  #position = 0;

  constructor(pooling: Pooling, norm: FinalNorm) {
    this.#pooling = pooling;
    this.#norm = norm;
    this.#sum = new Float64Array(norm.weights.length);
  }

  /** Rows of positions before it are in. */
  get position(): number {
    return this.#position;
  }

  /**
   * Takes the rows of a slice, in the order of the prompt; those that came before, as after a
   * preemption, are passed over.
   *
   * @param position Of the first row.
   * @param rows f32 `[rows, width]`, before the final norm.
   */
  add(position: number, rows: Float32Array): void {
    const width = this.#sum.length;
    for (let start = 0; start < rows.length; start += width, position++) {
      if (position < this.#position) continue;
      this.#position = position + 1;
      this.#addRow(rows.subarray(start, start + width));
    }
  }

  #addRow(row: Float32Array): void {
    const { weights, epsilon } = this.#norm;
    if (this.#pooling === "last") this.#sum.fill(0);
    const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
    const factor = 1 / Math.sqrt(meanSquare + epsilon);
    row.forEach((value, channel) => this.#sum[channel] += weights[channel] * value * factor);
  }

  /** The pooled vector, f32 `[width]`; its length is not that of a unit. */
  values(): Float32Array {
    const count = this.#pooling === "last" ? 1 : this.#position;
    return Float32Array.from(this.#sum, (value) => value / count);
  }
}
