/**
 * What both ends of the banded codec know of a layer beside its records: steps and bands.
 * FORMAT.md section 7.1.
 *
 * @module
 */

import { alignUp, divExact } from "../../core/shapes.ts";
import { BAND_COUNT, bandFrom, bandLeast, bandWord, FULL_BAND, isBall } from "./band.ts";

/** Token steps are quarters of an octave. */
export const STEPS_PER_OCTAVE = 4;
/** The token step of a token of the reference magnitude. */
export const TOKEN_STEP_ZERO = 64;
/** Thresholds between token steps that the magnitude of V alone decides. */
export const THRESHOLD_COUNT = 128;
/** Largest token step. */
export const TOKEN_STEP_MAX = 255;
/** How K's step follows the magnitude of the token's V. */
export const KEY_EXPONENT = 0.5;
/** How V's step follows it: more than in proportion, since small V is attended to most. */
export const VALUE_EXPONENT = 1.25;
/** A token of the reference magnitude has this sum per channel. */
export const NORM_UNIT = 1024;
/** Where part of a buffer may begin that a device binds: at multiples of 256 bytes. */
const READER_ALIGN_WORDS = 64;
/** Limit of one channel's part of the sum. */
export const NORM_PART_MAX = 32768;

/** Static tables of one layer. All f32 values are exact in their arrays. */
export interface BandedTables {
  /** f32 `[kvHeadCount * headSize]`: step of each K channel at token step 64. */
  keyStep: Float32Array;
  /** f32 `[kvHeadCount * headSize]`: its reciprocal, for packing. */
  keyRecip: Float32Array;
  /** f32 `[kvHeadCount * headSize]`: step of each V channel at token step 64. */
  valueStep: Float32Array;
  /** f32 `[kvHeadCount * headSize]`: its reciprocal, for packing. */
  valueRecip: Float32Array;
  /** f32: `NORM_UNIT` over the layer's reference magnitude of V. */
  normRecip: number;
  /** u32 `[128]`: least sums of token steps 1 to 128. */
  thresholds: Uint32Array;
  /** u32 `[2][kvHeadCount * headSize][8]`: words of `bandWord`, K's channels first. */
  bands: Uint32Array;
}

/** Factors of the token steps, the same for all layers. f32 `[256]` each. */
export interface TokenFactors {
  /** Of K's steps. */
  key: Float32Array;
  /** Their reciprocals, for packing. */
  keyRecip: Float32Array;
  /** Of V's steps. */
  value: Float32Array;
  /** Their reciprocals, for packing. */
  valueRecip: Float32Array;
}

function factors(exponent: number): Float32Array {
  return Float32Array.from({ length: TOKEN_STEP_MAX + 1 }, (_, step) => {
    return 2 ** ((exponent * (step - TOKEN_STEP_ZERO)) / STEPS_PER_OCTAVE);
  });
}

/** The factors of all token steps. */
export const TOKEN_FACTORS: TokenFactors = {
  key: factors(KEY_EXPONENT),
  keyRecip: factors(-KEY_EXPONENT),
  value: factors(VALUE_EXPONENT),
  valueRecip: factors(-VALUE_EXPONENT),
};

/** Least sums of the parts of a token's V that give token steps 1 to 128. */
export function normThresholds(channelCount: number): Uint32Array {
  return Uint32Array.from({ length: THRESHOLD_COUNT }, (_, index) => {
    const octaves = (index - TOKEN_STEP_ZERO + 0.5) / STEPS_PER_OCTAVE;
    const sum = Math.floor(channelCount * NORM_UNIT * 2 ** octaves);
    return Math.min(Math.max(sum, 1), 2 ** 32 - 1);
  });
}

/**
 * Builds the tables of a layer.
 *
 * @param source `keyStep`, `valueStep`: positive, `[channels]`; `normReference`: positive; `bands`:
 * u32 `[2][channels][8]`.
 *
 * @throws {RangeError} if a step is not positive and finite, or bands are not well formed.
 */
export function bandedTables(source: {
  keyStep: ArrayLike<number>;
  valueStep: ArrayLike<number>;
  normReference: number;
  bands: Uint32Array;
}): BandedTables {
  const { normReference, bands } = source;
  const keyStep = Float32Array.from(source.keyStep);
  const valueStep = Float32Array.from(source.valueStep);
  const tables: BandedTables = {
    keyStep,
    keyRecip: keyStep.map((step) => 1 / step),
    valueStep,
    valueRecip: valueStep.map((step) => 1 / step),
    normRecip: Math.fround(NORM_UNIT / Math.fround(normReference)),
    thresholds: normThresholds(keyStep.length),
    bands,
  };
  const { keyRecip, valueRecip, normRecip } = tables;
  const numbers = [...keyStep, ...keyRecip, ...valueStep, ...valueRecip, normRecip];
  const bad = numbers.find((each) => !(each > 0 && each < Infinity));
  if (bad !== undefined) throw new RangeError(`Cannot use step ${bad}: must be positive`);
  checkBands(bands, keyStep.length);
  return tables;
}

/** Where the eight bands of a channel begin in `bands`. */
export function firstBand(tables: BandedTables, side: number, channel: number): number {
  return (side * tables.keyStep.length + channel) * BAND_COUNT;
}

/** Eight bands of a channel. */
export function channelBands(tables: BandedTables, side: number, channel: number): Uint32Array {
  const start = firstBand(tables, side, channel);
  return tables.bands.subarray(start, start + BAND_COUNT);
}

/**
 * The tables of a layer as `kv_quantise/banded` reads them, C channels of K:
 *
 * | words               | hold                                                                 |
 * | ------------------- | -------------------------------------------------------------------- |
 * | `0 ..< C`           | f32 `keyRecip`                                                       |
 * | `C ..< 2 C`         | f32 `valueRecip`                                                     |
 * | `2 C ..< 2 C + 4`   | f32 `normRecip`, 0, 0, 0                                             |
 * | `..< 2 C + 132`     | u32 `thresholds`                                                     |
 * | `..< 2 C + 388`     | f32 `TOKEN_FACTORS.keyRecip`                                         |
 * | `..< 2 C + 644`     | f32 `TOKEN_FACTORS.valueRecip`                                       |
 */
export function quantiserWords(tables: BandedTables): Uint32Array {
  const { keyRecip, valueRecip, normRecip, thresholds } = tables;
  return joinWords([
    keyRecip,
    valueRecip,
    Float32Array.of(normRecip, 0, 0, 0),
    thresholds,
    TOKEN_FACTORS.keyRecip,
    TOKEN_FACTORS.valueRecip,
  ]);
}

/**
 * The tables of a layer as readers of records bind them, C channels of K:
 *
 * | words                    | hold                                                            |
 * | ------------------------ | --------------------------------------------------------------- |
 * | `0 ..< 16 C`             | u32 `bands`                                                     |
 * | `16 C ..< 17 C`          | f32 `keyStep`                                                   |
 * | `17 C ..< 18 C`          | f32 `valueStep`                                                 |
 * | `18 C ..< 18 C + 256`    | f32 `TOKEN_FACTORS.key`                                         |
 * | `..< 18 C + 512`         | f32 `TOKEN_FACTORS.value`                                       |
 */
export function readerWords(tables: BandedTables): Uint32Array {
  const { bands, keyStep, valueStep } = tables;
  return joinWords([bands, keyStep, valueStep, TOKEN_FACTORS.key, TOKEN_FACTORS.value]);
}

/**
 * Words from the tables of a layer to those of the next, where those of several are one after the
 * other: a device can bind each of them alone.
 *
 * @param channelCount Channels of K.
 */
export function readerStride(channelCount: number): number {
  const words = (2 * BAND_COUNT + 2) * channelCount + 2 * (TOKEN_STEP_MAX + 1);
  return alignUp(words, READER_ALIGN_WORDS);
}

/** {@link readerWords} of layers, {@link readerStride} apart: what packs and what gathers bind. */
export function layerTableWords(layers: readonly BandedTables[]): Uint32Array<ArrayBuffer> {
  const stride = readerStride(layers[0].keyStep.length);
  const words = new Uint32Array(layers.length * stride);
  layers.forEach((layer, index) => words.set(readerWords(layer), index * stride));
  return words;
}

function joinWords(parts: readonly (Uint32Array | Float32Array)[]): Uint32Array {
  const words = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    words.set(new Uint32Array(part.buffer, part.byteOffset, part.length), start);
    start += part.length;
  }
  return words;
}

function checkBands(bands: Uint32Array, channelCount: number): void {
  if (bands.length !== 2 * channelCount * BAND_COUNT) {
    throw new RangeError(`Cannot use ${bands.length} bands for ${channelCount} channels`);
  }
  const rowCount = divExact(bands.length, BAND_COUNT);
  for (let row = 0; row < rowCount; row++) {
    const own = bands.subarray(row * BAND_COUNT, (row + 1) * BAND_COUNT);
    own.forEach(bandFrom);
    if (new Set(own.filter((word) => isBall(word)).map(bandLeast)).size > 1) {
      throw new RangeError(
        `Cannot use the bands of channel ${row}: its balls have several middles`,
      );
    }
    if (own[BAND_COUNT - 1] !== bandWord(FULL_BAND)) {
      throw new RangeError(`Cannot use the bands of channel ${row}: the last is not the full one`);
    }
  }
}
