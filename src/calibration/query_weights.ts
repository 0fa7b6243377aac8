/**
 * How much an error of each key channel would change what a head gives. An error of `e` in channel
 * `c` of token `t` moves a query's score of it by `q_c e`, and so the head's output `o` by
 * `p_t q_c e (v_t - o)`: a query counts by the sum of `p_t^2 |v_t - o|^2` over the tokens that it
 * would read sealed. Queries that look at nothing but sinks and what is near count next to nothing,
 * and they are most of them. FORMAT.md section 7.8.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { CalibrationShape, SliceSample } from "./samples.ts";

/** Most tokens of the text whose keys and values are held for this. */
export const WEIGHED_TOKEN_MAX = 1024;
/** Of the queries one in so many is weighed: this is done on the CPU. */
const QUERY_STRIDE = 4;
/** The first query that is weighed. */
const FIRST_QUERY_POSITION = 128;
/** The first tokens are sinks, which stay raw. */
const SINK_COUNT = 4;
/** Tokens nearer than this to a query are raw. */
const NEAR_TOKEN_COUNT = BLOCK_TOKEN_COUNT;

/** Gathers one layer. */
export class LayerQueryWeights {
  readonly #shape: CalibrationShape;
  /** f32 `[tokens][kvHeadCount * headSize]` each. */
  readonly #keys: Float32Array;
  readonly #values: Float32Array;
  readonly #squares: Float64Array;

  constructor(shape: CalibrationShape) {
    const channelCount = shape.kvHeadCount * shape.headSize;
    this.#shape = shape;
    this.#keys = new Float32Array(WEIGHED_TOKEN_MAX * channelCount);
    this.#values = new Float32Array(WEIGHED_TOKEN_MAX * channelCount);
    this.#squares = new Float64Array(channelCount);
  }

  /** Adds a slice; slices come in order. Rows from {@link WEIGHED_TOKEN_MAX} on are left out. */
  add({ position, rowCount, queries, keys, values }: SliceSample): void {
    const { queryHeadCount, kvHeadCount, headSize } = this.#shape;
    const rowSize = kvHeadCount * headSize;
    const held = Math.min(rowCount, WEIGHED_TOKEN_MAX - position);
    if (held <= 0) return;
    this.#keys.set(keys.subarray(0, held * rowSize), position * rowSize);
    this.#values.set(values.subarray(0, held * rowSize), position * rowSize);
    for (let row = 0; row < held; row++) {
      const own = position + row;
      if (own < FIRST_QUERY_POSITION || own % QUERY_STRIDE !== 0) continue;
      for (let head = 0; head < queryHeadCount; head++) {
        const at = (row * queryHeadCount + head) * headSize;
        const query = queries.subarray(at, at + headSize);
        const first = Math.floor(head * kvHeadCount / queryHeadCount) * headSize;
        const weight = this.#weight(query, first, own);
        for (let i = 0; i < headSize; i++) this.#squares[first + i] += weight * query[i] ** 2;
      }
    }
  }

  /**
   * Mean squares of the queries' channels, each query by its weight, scaled so that a head's have
   * the geometric mean of `plain`.
   *
   * @param plain Mean squares in which all queries count alike, positive, `[channels]`; a head none
   * of whose queries was weighed keeps its own.
   * @param floor Share of a head's largest that a channel has at least.
   * @returns f64 `[channels]`.
   */
  finish(plain: Float64Array, floor: number): Float64Array {
    const { kvHeadCount, headSize } = this.#shape;
    const weighed = plain.slice();
    for (let head = 0; head < kvHeadCount; head++) {
      const own = this.#squares.subarray(head * headSize, (head + 1) * headSize);
      const largest = own.reduce((a, b) => Math.max(a, b));
      if (!(largest > 0)) continue;
      const limited = own.map((square) => Math.max(square, largest * floor));
      const before = plain.subarray(head * headSize, (head + 1) * headSize);
      const scale = Math.exp(meanLog(before) - meanLog(limited));
      weighed.set(limited.map((square) => square * scale), head * headSize);
    }
    return weighed;
  }

  /** Weight of one query; `first` is the first channel of its KV head. */
  #weight(query: Float32Array, first: number, own: number): number {
    const { kvHeadCount, headSize } = this.#shape;
    const rowSize = kvHeadCount * headSize;
    const probabilities = softmax(Float64Array.from({ length: own + 1 }, (_, token) => {
      const at = token * rowSize + first;
      let score = 0;
      for (let i = 0; i < headSize; i++) score += query[i] * this.#keys[at + i];
      return score / Math.sqrt(headSize);
    }));
    const output = new Float64Array(headSize);
    for (let token = 0; token <= own; token++) {
      const at = token * rowSize + first;
      const probability = probabilities[token];
      for (let i = 0; i < headSize; i++) output[i] += probability * this.#values[at + i];
    }
    let weight = 0;
    for (let token = SINK_COUNT; token <= own - NEAR_TOKEN_COUNT; token++) {
      const at = token * rowSize + first;
      let distance = 0;
      for (let i = 0; i < headSize; i++) distance += (this.#values[at + i] - output[i]) ** 2;
      weight += probabilities[token] ** 2 * distance;
    }
    return weight;
  }
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const shares = scores.map((score) => Math.exp(score - largest));
  const sum = shares.reduce((a, b) => a + b);
  return shares.map((share) => share / sum);
}

function meanLog(values: Float64Array): number {
  return values.reduce((sum, value) => sum + Math.log(value), 0) / values.length;
}
