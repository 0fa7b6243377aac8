/**
 * Sums of what a calibration measures of one layer, slice by slice. FORMAT.md section 7.8.
 *
 * @module
 */

import { UNIT_TOKEN_COUNT } from "../codec/banded/levels.ts";
import { KEY_EXPONENT, VALUE_EXPONENT } from "../codec/banded/tables.ts";
import type { SideSpread } from "./bands.ts";
import type { LayerCalibration } from "./calibration.ts";
import { LayerQueryWeights } from "./query_weights.ts";
import type { CalibrationShape, SliceSample } from "./samples.ts";

/** The first queries see next to nothing and are left out. */
const FIRST_QUERY_POSITION = 16;
/** The first tokens are sinks and what surrounds them. */
const FIRST_PACK_POSITION = 64;
/** Share of the largest square that a channel of queries has at least, so steps stay finite. */
const SQUARE_FLOOR = 2 ** -20;

/** Sums over the packs of one side. */
class SpreadSums {
  #packCount = 0;
  #sum: Float64Array;
  #squareSum: Float64Array;
  #withinSum: Float64Array;

  constructor(channelCount: number) {
    this.#sum = new Float64Array(channelCount);
    this.#squareSum = new Float64Array(channelCount);
    this.#withinSum = new Float64Array(channelCount);
  }

  /** Adds eight rows from `row` on, each times its own factor. */
  addPack(rows: Float32Array, row: number, factors: Float64Array): void {
    const channelCount = this.#sum.length;
    this.#packCount++;
    for (let channel = 0; channel < channelCount; channel++) {
      let sum = 0;
      let squareSum = 0;
      for (let token = row; token < row + UNIT_TOKEN_COUNT; token++) {
        const value = rows[token * channelCount + channel] * factors[token];
        sum += value;
        squareSum += value * value;
      }
      this.#sum[channel] += sum;
      this.#squareSum[channel] += squareSum;
      const within = squareSum - sum * sum / UNIT_TOKEN_COUNT;
      this.#withinSum[channel] += Math.max(0, within) / (UNIT_TOKEN_COUNT - 1);
    }
  }

  /** Spread of values times `scale`. */
  spread(scale: (channel: number) => number): SideSpread {
    const count = Math.max(1, this.#packCount * UNIT_TOKEN_COUNT);
    const each = (value: (channel: number) => number) =>
      Float32Array.from(this.#sum, (_, channel) => value(channel) * scale(channel));
    const within = (channel: number) =>
      Math.sqrt(this.#withinSum[channel] / Math.max(1, this.#packCount));
    const variance = (channel: number) =>
      Math.max(0, this.#squareSum[channel] / count - (this.#sum[channel] / count) ** 2);
    const between = (channel: number) => {
      const own = variance(channel);
      return Math.sqrt(Math.max(own - within(channel) ** 2, 1e-4 * own));
    };
    return {
      mean: each((channel) => this.#sum[channel] / count),
      between: each(between),
      within: each(within),
    };
  }
}

/** Gathers one layer. */
export class LayerStatistics {
  #shape: CalibrationShape;
  #querySquares: Float64Array;
  #queryCount = 0;
  #queryWeights: LayerQueryWeights;
  #logNormSum = 0;
  #tokenCount = 0;
  #keys: SpreadSums;
  #values: SpreadSums;

  constructor(shape: CalibrationShape) {
    const channelCount = shape.kvHeadCount * shape.headSize;
    this.#shape = shape;
    this.#querySquares = new Float64Array(channelCount);
    this.#queryWeights = new LayerQueryWeights(shape);
    this.#keys = new SpreadSums(channelCount);
    this.#values = new SpreadSums(channelCount);
  }

  /** Adds a slice. Tokens whose V is all zero are left out. */
  add(sample: SliceSample): void {
    this.#addQueries(sample);
    this.#queryWeights.add(sample);
    const { position, rowCount, keys, values } = sample;
    const norms = this.#norms(values, rowCount);
    for (const norm of norms) {
      if (norm === 0) continue;
      this.#logNormSum += Math.log(norm);
      this.#tokenCount++;
    }
    const keyFactors = norms.map((norm) => norm ** -KEY_EXPONENT);
    const valueFactors = norms.map((norm) => norm ** -VALUE_EXPONENT);
    for (let row = 0; row + UNIT_TOKEN_COUNT <= rowCount; row += UNIT_TOKEN_COUNT) {
      if (position + row < FIRST_PACK_POSITION) continue;
      if (norms.subarray(row, row + UNIT_TOKEN_COUNT).includes(0)) continue;
      this.#keys.addPack(keys, row, keyFactors);
      this.#values.addPack(values, row, valueFactors);
    }
  }

  /**
   * What was gathered.
   *
   * @throws {RangeError} if no token had a V, or no query was seen.
   */
  finish(): Omit<LayerCalibration, "recall"> {
    if (this.#tokenCount === 0 || this.#queryCount === 0) {
      throw new RangeError("Cannot calibrate a layer: the text is too short");
    }
    const normReference = Math.exp(this.#logNormSum / this.#tokenCount);
    const squares = this.#querySquares.map((sum) => sum / this.#queryCount);
    const largest = squares.reduce((a, b) => Math.max(a, b));
    const floor = largest > 0 ? largest * SQUARE_FLOOR : 1;
    const limited = squares.map((mean) => Math.max(mean, floor));
    const weighed = this.#queryWeights.finish(limited, SQUARE_FLOOR);
    const queryEnergy = Float32Array.from(weighed, Math.sqrt);
    const keyScale = normReference ** KEY_EXPONENT;
    const valueScale = normReference ** (VALUE_EXPONENT - 1);
    return {
      normReference,
      queryEnergy,
      key: this.#keys.spread((channel) => keyScale * queryEnergy[channel]),
      value: this.#values.spread(() => valueScale),
    };
  }

  #addQueries({ position, rowCount, queries }: SliceSample): void {
    const { queryHeadCount, kvHeadCount, headSize } = this.#shape;
    const groupSize = queryHeadCount / kvHeadCount;
    for (let row = 0; row < rowCount; row++) {
      if (position + row < FIRST_QUERY_POSITION) continue;
      this.#queryCount++;
      for (let i = 0; i < queryHeadCount * headSize; i++) {
        const kvHead = Math.floor(i / (groupSize * headSize));
        const query = queries[row * queryHeadCount * headSize + i];
        this.#querySquares[kvHead * headSize + i % headSize] += query * query / groupSize;
      }
    }
  }

  /** Mean magnitude of V by row. */
  #norms(values: Float32Array, rowCount: number): Float64Array {
    const channelCount = this.#querySquares.length;
    return Float64Array.from({ length: rowCount }, (_, row) => {
      let sum = 0;
      for (let channel = 0; channel < channelCount; channel++) {
        sum += Math.abs(values[row * channelCount + channel]);
      }
      return sum / channelCount;
    });
  }
}

/** What stands for a layer whose keys and values are never sealed. */
export function neutralStatistics(
  { kvHeadCount, headSize }: CalibrationShape,
): Omit<LayerCalibration, "recall"> {
  const all = (value: number) => new Float32Array(kvHeadCount * headSize).fill(value);
  const spread = () => ({ mean: all(0), between: all(1), within: all(1) });
  return { normReference: 1, queryEnergy: all(1), key: spread(), value: spread() };
}
