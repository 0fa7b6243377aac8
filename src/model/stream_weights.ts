/**
 * Weights from the file to the device some rows at a time, so that the host never has all of one.
 *
 * @module
 */

import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { TensorType } from "../gguf/tensor_types.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { commonFormat } from "../kernels/weight_formats.ts";
import {
  type DeviceWeights,
  GROUP_ROW_COUNT,
  groupSideWordCount,
  groupWordCount,
} from "../kernels/weight_layout.ts";
import { packWeights, splitRows } from "./weight_format.ts";

/** About how many bytes of a weight are packed at a time. */
const CHUNK_SIZE_BYTES = 2 ** 24;

/** A matrix whose rows are read when they are wanted. */
export interface RowSource {
  type: TensorType;
  rowCount: number;
  /** Bytes of rows `rowStart` to `rowStart + rowCount`. */
  read: (rowStart: number, rowCount: number) => Uint8Array;
}

/** What becomes one weight. */
export interface StreamOptions {
  label: string;
  columnCount: number;
  /** One matrix, or several of as many rows each, whose rows i stand in turn: 1, 2, 4, 8, … */
  sources: readonly RowSource[];
  /** Largest buffer range one binding may hold, in bytes; the adapter's if left out. */
  bindingSizeMax?: number;
  chunkSizeBytes?: number;
}

/**
 * Packs and copies one weight.
 *
 * @throws {EngineError} `model_unsupported` if the width is not a multiple of 32.
 * @throws {RangeError} If rows differ in number, or 32 of them exceed a binding.
 */
export function streamWeights(gpu: Gpu, options: StreamOptions): DeviceWeights {
  const { label, columnCount, sources, chunkSizeBytes = CHUNK_SIZE_BYTES } = options;
  const { bindingSizeMax = gpu.facts.bindingSizeMax } = options;
  const format = commonFormat(sources.map(({ type }) => type));
  const rowCount = sources.reduce((sum, source) => sum + source.rowCount, 0);
  const wordBytes = groupWordCount(format, columnCount) * WORD_SIZE_BYTES;
  const sideBytes = groupSideWordCount(format, columnCount) * WORD_SIZE_BYTES;
  const chunkRowCount = Math.max(1, Math.floor(chunkSizeBytes / wordBytes)) * GROUP_ROW_COUNT;
  const parts: DeviceWeights["parts"] = [];
  for (const range of splitRows(rowCount, wordBytes / GROUP_ROW_COUNT, bindingSizeMax)) {
    const groupCount = divCeil(range.rowCount, GROUP_ROW_COUNT);
    const words = gpu.createBuffer(label, groupCount * wordBytes);
    const hasSide = sideBytes > 0;
    const scales = hasSide ? gpu.createBuffer(`${label} scales`, groupCount * sideBytes) : null;
    for (let row = 0; row < range.rowCount; row += chunkRowCount) {
      const count = Math.min(chunkRowCount, range.rowCount - row);
      const packed = packRows(options, range.rowStart + row, count);
      const group = row / GROUP_ROW_COUNT;
      gpu.write(words, group * wordBytes, packed.words);
      if (scales !== null) gpu.write(scales, group * sideBytes, packed.scales!);
      // Writes are copied by the queue; flushing bounds what it holds.
      gpu.device.queue.submit([]);
    }
    parts.push({ format, ...range, words, scales });
  }
  return { rowCount, columnCount, parts };
}

/** Rows of the weight, which are as many of each source. */
function packRows({ sources, columnCount }: StreamOptions, rowStart: number, rowCount: number) {
  const ofEach = rowCount / sources.length;
  const chunk = sources.map(({ type, read }) => {
    return { type, rowCount: ofEach, bytes: read(rowStart / sources.length, ofEach) };
  });
  const packed = packWeights(chunk, {
    columnCount,
    arrangement: "interleaved",
    bindingSizeMax: Number.MAX_SAFE_INTEGER,
  });
  return packed.parts[0];
}
