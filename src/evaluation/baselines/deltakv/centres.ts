/**
 * Centres of a layer, and which of them a token is described by.
 *
 * @module
 */

/** Tokens that others are described by, in the order of the text. */
export class Centres {
  #vectors: Float64Array[] = [];
  /** Squared lengths. */
  #squares: number[] = [];

  /** How many there are. */
  get count(): number {
    return this.#vectors.length;
  }

  /** Adds a centre behind all others. */
  add(vector: Float64Array): void {
    this.#vectors.push(vector);
    this.#squares.push(product(vector, vector));
  }

  /** Takes the last ones away again, so that `count` stay. */
  cut(count: number): void {
    this.#vectors.length = count;
    this.#squares.length = count;
  }

  /**
   * The nearest centres by L2, as published by the largest `2 a·b - b·b`.
   *
   * @param count How many at most.
   * @returns Their indexes, the nearest first; of equally near ones the first.
   */
  nearest(vector: Float64Array, count: number): number[] {
    const scores = this.#vectors.map((centre, index) =>
      2 * product(vector, centre) - this.#squares[index]
    );
    return scores.map((_, index) => index)
      .sort((a, b) => scores[b] - scores[a] || a - b)
      .slice(0, count);
  }

  /** The mean of centres; there is one at least. */
  mean(indexes: readonly number[]): Float64Array {
    const sum = new Float64Array(this.#vectors[indexes[0]].length);
    for (const index of indexes) {
      const vector = this.#vectors[index];
      for (let i = 0; i < sum.length; i++) sum[i] += vector[i];
    }
    return sum.map((value) => value / indexes.length);
  }
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
