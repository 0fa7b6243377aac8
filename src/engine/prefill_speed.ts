/**
 * How fast prompts are read: by the fastest of the last slices, so that what only some of them wait
 * for, such as compiling, does not count, and what is said to take long does.
 *
 * @module
 */

const SLICE_COUNT = 16;

/** Times of the last slices of prompts. */
export class PrefillSpeed {
  #slices: number[] = [];

  /** Notes a step with a slice of so many tokens. */
  note(tokenCount: number, stepMs: number): void {
    this.#slices = [...this.#slices, stepMs / tokenCount].slice(-SLICE_COUNT);
  }

  /** Milliseconds of a token; null before the first slice. */
  get msPerToken(): number | null {
    return this.#slices.length === 0 ? null : Math.min(...this.#slices);
  }
}
