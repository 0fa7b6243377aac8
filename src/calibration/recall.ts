/**
 * Which heads recall: a text is run twice in a row, and a head is scored by how much of a token's
 * attention, in the second run, goes to what followed that token in the first. In-context recall
 * depends on a few such heads (Olsson et al. 2022, "In-context learning and induction heads"; Wu et
 * al. 2024, "Retrieval head mechanistically explains long-context factuality"), so they get finer
 * steps. FORMAT.md section 7.8.
 *
 * @module
 */

import type { CalibrationShape, SliceSample } from "./samples.ts";

/** Most tokens of the text that are run twice. */
export const RECALL_PERIOD_MAX = 512;
/** Of the queries one in so many is scored: they are alike, and this is done on the CPU. */
const QUERY_STRIDE = 8;
/** Queries this near the beginning of the second run may not know yet that it is one. */
const QUERY_SKIP = 16;

/** Gathers one layer. */
export class LayerRecall {
  readonly #shape: CalibrationShape;
  readonly #periodTokenCount: number;
  /** f32 `[tokens][kvHeadCount * headSize]`. */
  readonly #keys: Float32Array;
  readonly #probabilities: Float64Array;
  #queryCount = 0;

  /** @param periodTokenCount Tokens of the text; twice as many are run. */
  constructor(shape: CalibrationShape, periodTokenCount: number) {
    this.#shape = shape;
    this.#periodTokenCount = periodTokenCount;
    this.#keys = new Float32Array(2 * periodTokenCount * shape.kvHeadCount * shape.headSize);
    this.#probabilities = new Float64Array(shape.queryHeadCount);
  }

  /** Adds a slice; slices come in order. */
  add({ position, rowCount, queries, keys }: SliceSample): void {
    const { queryHeadCount, kvHeadCount, headSize } = this.#shape;
    const rowSize = kvHeadCount * headSize;
    this.#keys.set(keys.subarray(0, rowCount * rowSize), position * rowSize);
    const period = this.#periodTokenCount;
    for (let row = 0; row < rowCount; row++) {
      const own = position + row;
      if (own < period + QUERY_SKIP || own % QUERY_STRIDE !== 0) continue;
      this.#queryCount++;
      for (let head = 0; head < queryHeadCount; head++) {
        const at = (row * queryHeadCount + head) * headSize;
        const query = queries.subarray(at, at + headSize);
        this.#probabilities[head] += this.#probability(query, {
          head,
          own,
          target: own - period + 1,
        });
      }
    }
  }

  /**
   * Scores by KV head: the largest mean probability of the query heads of its group, 0 to 1.
   *
   * @returns f32 `[kvHeadCount]`; zeros if no query was seen.
   */
  finish(): Float32Array {
    const { queryHeadCount, kvHeadCount } = this.#shape;
    const groupSize = queryHeadCount / kvHeadCount;
    return Float32Array.from({ length: kvHeadCount }, (_, kvHead) => {
      const own = this.#probabilities.subarray(kvHead * groupSize, (kvHead + 1) * groupSize);
      return Math.max(...own) / Math.max(1, this.#queryCount);
    });
  }

  /** Attention of one query to one token. */
  #probability(
    query: Float32Array,
    { head, own, target }: { head: number; own: number; target: number },
  ): number {
    const { queryHeadCount, kvHeadCount, headSize } = this.#shape;
    const kvHead = Math.floor(head * kvHeadCount / queryHeadCount);
    const scale = 1 / Math.sqrt(headSize);
    const scores = new Float64Array(own + 1);
    for (let token = 0; token <= own; token++) {
      const at = (token * kvHeadCount + kvHead) * headSize;
      let score = 0;
      for (let i = 0; i < headSize; i++) score += query[i] * this.#keys[at + i];
      scores[token] = score * scale;
    }
    const largest = scores.reduce((a, b) => Math.max(a, b));
    const sum = scores.reduce((total, score) => total + Math.exp(score - largest), 0);
    return Math.exp(scores[target] - largest) / sum;
  }
}
