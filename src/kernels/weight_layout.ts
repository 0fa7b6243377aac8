/**
 * How weights lie on the device, for `matmul` and `embed`: a weight `[rows, columns]` is cut into
 * parts of whole groups of 32 rows, each in a format of its own (`weight_formats.ts`).
 *
 * - words: for each group, then each block of 32 columns:
 *   `[row % 4][vector][row % 32 / 4][4 words]`, where a vector is 16 bytes of codes of one row (or
 *   of two neighbours, where each takes half of one), so that 8 lanes that have 4 neighbouring rows
 *   each load 128 bytes side by side;
 * - side data, of quantised formats: for each group, then each unit of 32 or 256 columns:
 *   `[word][row % 32]`, so that one load has the words of a lane's 4 rows.
 *
 * Rows that fill up the last group are zero.
 *
 * @module
 */

import { divCeil, divExact, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "./weight_formats.ts";
import { BLOCK_COLUMN_COUNT, GROUP_ROW_COUNT } from "./weight_formats/spec.ts";

export { BLOCK_COLUMN_COUNT, GROUP_ROW_COUNT };

/** Words that hold the codes of 32 rows. */
export function groupWordCount(format: WeightFormat, columnCount: number): number {
  const blockCount = columnCount / BLOCK_COLUMN_COUNT;
  return GROUP_ROW_COUNT * blockCount * WEIGHT_FORMATS[format].vectorsPerBlock * 4;
}

/** Words of side data of 32 rows. */
export function groupSideWordCount(format: WeightFormat, columnCount: number): number {
  const { unitColumnCount, sideWordCount } = WEIGHT_FORMATS[format];
  return divExact(columnCount, unitColumnCount) * sideWordCount;
}

/** Some rows of a weight; `rowStart` is a multiple of {@link GROUP_ROW_COUNT}. */
export interface WeightPart<Words> {
  format: WeightFormat;
  rowStart: number;
  rowCount: number;
  /** u32 words of codes in the layout of this module. */
  words: Words;
  /** u32 words of side data; none in formats without. */
  scales: Words | null;
}

/** What kernels for a weight depend on, whatever holds its words. */
export interface WeightShape {
  rowCount: number;
  columnCount: number;
  parts: readonly Pick<WeightPart<unknown>, "format" | "rowStart" | "rowCount">[];
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
  const { rowCount, columnCount } = packed;
  const parts = packed.parts.map(({ words, scales, ...range }) => ({
    ...range,
    words: gpu.createBufferWith(label, words),
    scales: scales === null ? null : gpu.createBufferWith(`${label} scales`, scales),
  }));
  return { rowCount, columnCount, parts };
}

/** Device bytes of a weight. */
export function weightsSizeBytes({ columnCount, parts }: WeightShape): number {
  return parts.reduce((sum, { format, rowCount }) => {
    const groupCount = divCeil(rowCount, GROUP_ROW_COUNT);
    const codeWords = groupWordCount(format, columnCount);
    const sideWords = groupSideWordCount(format, columnCount);
    return sum + groupCount * (codeWords + sideWords) * WORD_SIZE_BYTES;
  }, 0);
}
