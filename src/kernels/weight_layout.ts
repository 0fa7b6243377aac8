/**
 * How weights lie on the device, for `matmul` and `embed`: a weight `[rows, columns]` is cut into
 * groups of 32 rows and blocks of 32 columns. For each group, then each block:
 *
 * - words: `[row % 4][vector][row % 32 / 4][4 words]`, where a vector is 16 bytes of one row of the
 *   block, so that 8 lanes that have 4 neighbouring rows each load 128 bytes side by side;
 * - scales, of quantised formats: `[row % 32]`, a word with scale (low half) and minimum as f16.
 *
 * Rows that fill up the last group are zero.
 *
 * @module
 */

import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";

/** How weights are stored: 4 or 8 bits with scale and minimum per 32 columns, or plain floats. */
export type WeightFormat = "q4" | "q8" | "f16" | "bf16" | "f32";

/** Rows that one workgroup of `matmul` makes; parts of a weight begin at multiples of it. */
export const GROUP_ROW_COUNT = 32;

/** Columns that share a scale. */
export const BLOCK_COLUMN_COUNT = 32;

/** Vectors of 4 words that hold 32 columns of a row. */
export const VECTORS_PER_BLOCK = {
  q4: 1,
  q8: 2,
  f16: 4,
  bf16: 4,
  f32: 8,
} as const satisfies Record<WeightFormat, number>;

/** Whether the format has scales. */
export function hasScales(format: WeightFormat): boolean {
  return format === "q4" || format === "q8";
}

/** Words that hold the weights of 32 rows. */
export function groupWordCount(format: WeightFormat, columnCount: number): number {
  return GROUP_ROW_COUNT * (columnCount / BLOCK_COLUMN_COUNT) * VECTORS_PER_BLOCK[format] * 4;
}

/** A weight as `[rows, columns]`, whatever holds its words. */
export interface WeightShape {
  format: WeightFormat;
  rowCount: number;
  columnCount: number;
}

/** Some rows of a weight; `rowStart` is a multiple of {@link GROUP_ROW_COUNT}. */
export interface WeightPart<Words> {
  rowStart: number;
  rowCount: number;
  /** u32 words in the layout of this module. */
  words: Words;
  /** u32 words of scales and minima; none in formats without. */
  scales: Words | null;
}

/** A weight in host memory. */
export interface PackedWeights extends WeightShape {
  parts: WeightPart<Uint32Array<ArrayBuffer>>[];
}

/** A weight in device memory, in parts that each fit one binding. */
export interface DeviceWeights extends WeightShape {
  parts: WeightPart<GPUBuffer>[];
}

/** Copies a weight to the device. */
export function uploadWeights(gpu: Gpu, label: string, packed: PackedWeights): DeviceWeights {
  const { format, rowCount, columnCount } = packed;
  const parts = packed.parts.map(({ words, scales, ...range }) => ({
    ...range,
    words: gpu.createBufferWith(label, words),
    scales: scales === null ? null : gpu.createBufferWith(`${label} scales`, scales),
  }));
  return { format, rowCount, columnCount, parts };
}

/** Device bytes of a weight. */
export function weightsSizeBytes({ format, rowCount, columnCount }: WeightShape): number {
  const groupCount = divCeil(rowCount, GROUP_ROW_COUNT);
  const blockCount = columnCount / BLOCK_COLUMN_COUNT;
  const scaleWords = hasScales(format) ? GROUP_ROW_COUNT * blockCount : 0;
  return groupCount * (groupWordCount(format, columnCount) + scaleWords) * WORD_SIZE_BYTES;
}
