/**
 * Tensors of a GGUF file to the layout of weights on the device (`kernels/weight_layout.ts`). They
 * stay quantised; no value changes.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { BLOCK_LAYOUTS, elementsSizeBytes, type TensorType } from "../gguf/tensor_types.ts";
import {
  BLOCK_COLUMN_COUNT,
  GROUP_ROW_COUNT,
  groupWordCount,
  hasScales,
  type PackedWeights,
  VECTORS_PER_BLOCK,
  type WeightFormat,
  type WeightPart,
} from "../kernels/weight_layout.ts";
import { type BlockWriter, WRITERS } from "./weight_blocks.ts";

/** Rows of a weight as they lie in the file. */
export interface WeightSource {
  type: TensorType;
  /** Elements of `[rowCount, columnCount]`, row-major, little-endian, at any alignment. */
  bytes: Uint8Array;
  rowCount: number;
  /** Place of each row among the source's; as they lie if left out. */
  rowOrder?: ((row: number) => number) | null;
}

/** How sources become one weight, and how large one binding may be. */
export interface PackWeightsOptions {
  columnCount: number;
  /**
   * `stacked`: one source after the other, as query, key and value. `interleaved`: row i of each
   * source in turn, as gate and up; all have as many rows. Default `stacked`.
   */
  arrangement?: "stacked" | "interleaved";
  /** Largest buffer range one binding may hold, in bytes. */
  bindingSizeMax: number;
}

/**
 * Packs one or more sources of equal width into one weight.
 *
 * Sources of different types share the smallest format that holds all their values exactly.
 *
 * @throws {EngineError} `model_unsupported` if the width is not a multiple of 32.
 * @throws {RangeError} If a source's bytes do not match its shape, or 32 rows exceed a binding.
 */
export function packWeights(
  sources: readonly WeightSource[],
  options: PackWeightsOptions,
): PackedWeights {
  const { columnCount, arrangement = "stacked", bindingSizeMax } = options;
  checkSources(sources, columnCount, arrangement);
  const rowCount = sources.reduce((sum, source) => sum + source.rowCount, 0);
  const format = commonFormat(sources.map((source) => source.type));
  const groupBytes = groupWordCount(format, columnCount) * WORD_SIZE_BYTES;
  const ranges = splitRows(rowCount, groupBytes / GROUP_ROW_COUNT, bindingSizeMax);
  const parts = ranges.map((range) => emptyPart(range, format, columnCount));
  const weights = { format, rowCount, columnCount, parts };
  let rowStart = 0;
  for (const [index, source] of sources.entries()) {
    const writer = WRITERS[source.type][format];
    if (writer === undefined) throw new RangeError(`Cannot pack ${source.type} as ${format}`);
    const placeOf = arrangement === "stacked"
      ? offsetRows(rowStart)
      : strideRows(index, sources.length);
    const { rowOrder } = source;
    const rowOf = rowOrder ? (row: number) => placeOf(rowOrder(row)) : placeOf;
    packSource(source, weights, { writer, rowOf });
    rowStart += source.rowCount;
  }
  return weights;
}

/** Rows of each part of a weight, so that the words of each fit a binding. */
export function splitRows(
  rowCount: number,
  rowBytes: number,
  bindingSizeMax: number,
): { rowStart: number; rowCount: number }[] {
  const groupsPerPart = Math.floor(bindingSizeMax / (rowBytes * GROUP_ROW_COUNT));
  if (groupsPerPart === 0) {
    throw new RangeError(
      `Cannot bind ${GROUP_ROW_COUNT} rows of ${rowBytes} bytes: the limit is ${bindingSizeMax}`,
    );
  }
  const partRowCount = groupsPerPart * GROUP_ROW_COUNT;
  return Array.from({ length: divCeil(rowCount, partRowCount) }, (_, index) => {
    const rowStart = index * partRowCount;
    return { rowStart, rowCount: Math.min(partRowCount, rowCount - rowStart) };
  });
}

/** The format in which tensors of these types are kept; the smallest that holds all exactly. */
export function commonFormat(types: readonly TensorType[]): WeightFormat {
  const formats = new Set(types.map((type) => FORMAT_BY_TYPE[type]));
  if (formats.size === 1) return [...formats][0];
  for (const format of formats) if (!hasScales(format)) return "f32";
  return "q8";
}

const FORMAT_BY_TYPE = {
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  Q8_0: "q8",
  Q4_0: "q4",
  Q4_1: "q4",
} as const satisfies Record<TensorType, WeightFormat>;

function checkSources(
  sources: readonly WeightSource[],
  columnCount: number,
  arrangement: string,
): void {
  if (columnCount % BLOCK_COLUMN_COUNT !== 0) {
    throw new EngineError(
      "model_unsupported",
      `Cannot use a tensor of ${columnCount} columns: the width must be a multiple of 32`,
    );
  }
  for (const { type, bytes, rowCount } of sources) {
    const wanted = elementsSizeBytes(type, rowCount * columnCount);
    if (bytes.length !== wanted) {
      throw new RangeError(
        `Cannot pack [${rowCount}, ${columnCount}] ${type}: ${bytes.length} bytes, not ${wanted}`,
      );
    }
    if (arrangement === "interleaved" && rowCount !== sources[0].rowCount) {
      throw new RangeError(`Cannot interleave ${rowCount} rows with ${sources[0].rowCount}`);
    }
  }
}

function emptyPart(
  range: { rowStart: number; rowCount: number },
  format: WeightFormat,
  columnCount: number,
): WeightPart<Uint32Array<ArrayBuffer>> {
  const groupCount = divCeil(range.rowCount, GROUP_ROW_COUNT);
  const scaleCount = groupCount * GROUP_ROW_COUNT * (columnCount / BLOCK_COLUMN_COUNT);
  return {
    ...range,
    words: new Uint32Array(groupCount * groupWordCount(format, columnCount)),
    scales: hasScales(format) ? new Uint32Array(scaleCount) : null,
  };
}

type RowOf = (sourceRow: number) => number;

function offsetRows(start: number): RowOf {
  return (row) => start + row;
}

function strideRows(first: number, stride: number): RowOf {
  return (row) => first + row * stride;
}

function packSource(
  source: WeightSource,
  weights: PackedWeights,
  how: { writer: BlockWriter; rowOf: RowOf },
): void {
  const { format, columnCount, parts } = weights;
  const { bytes } = source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blockCount = columnCount / BLOCK_COLUMN_COUNT;
  const blockBytes = BLOCK_COLUMN_COUNT / BLOCK_LAYOUTS[source.type].elementCount *
    BLOCK_LAYOUTS[source.type].sizeBytes;
  const vectorCount = VECTORS_PER_BLOCK[format];
  let at = 0;
  for (let sourceRow = 0; sourceRow < source.rowCount; sourceRow++) {
    const row = how.rowOf(sourceRow);
    const part = parts.findLast((candidate) => candidate.rowStart <= row)!;
    const groupRow = row % GROUP_ROW_COUNT;
    const group = (row - part.rowStart - groupRow) / GROUP_ROW_COUNT;
    for (let block = group * blockCount; block < (group + 1) * blockCount; block++) {
      const vector = (block * 4 + groupRow % 4) * vectorCount * 8 + (groupRow >> 2);
      const scaleIndex = block * GROUP_ROW_COUNT + groupRow;
      how.writer(view, at, { words: part.words, vector, scales: part.scales, scaleIndex });
      at += blockBytes;
    }
  }
}
