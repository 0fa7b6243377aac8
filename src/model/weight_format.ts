/**
 * Tensors of a GGUF file to the layout of weights on the device (`kernels/weight_layout.ts`). They
 * stay quantised; no value changes.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { elementsSizeBytes, TENSOR_TYPES, type TensorType } from "../gguf/tensor_types.ts";
import {
  commonFormat,
  unitWriter,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "../kernels/weight_formats.ts";
import { VECTOR_STRIDE } from "../kernels/weight_formats/spec.ts";
import {
  BLOCK_COLUMN_COUNT,
  GROUP_ROW_COUNT,
  groupSideWordCount,
  groupWordCount,
  type PackedWeights,
  type WeightPart,
} from "../kernels/weight_layout.ts";

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
 * Stacked sources keep a part each where their formats differ and their rows make whole groups;
 * else sources of different types share the smallest format that holds all their values exactly.
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
  const parts = formatRuns(sources, arrangement).flatMap(({ format, ...run }) => {
    const rowWords = groupWordCount(format, columnCount) / GROUP_ROW_COUNT;
    const ranges = splitRows(run.rowCount, rowWords * WORD_SIZE_BYTES, bindingSizeMax);
    return ranges.map((range) => {
      const rowStart = run.rowStart + range.rowStart;
      return emptyPart({ format, rowStart, rowCount: range.rowCount }, columnCount);
    });
  });
  let rowStart = 0;
  for (const [index, source] of sources.entries()) {
    const placeOf = arrangement === "stacked"
      ? offsetRows(rowStart)
      : strideRows(index, sources.length);
    const { rowOrder } = source;
    const rowOf = rowOrder ? (row: number) => placeOf(rowOrder(row)) : placeOf;
    packSource(source, { parts, columnCount, rowOf });
    rowStart += source.rowCount;
  }
  return { rowCount, columnCount, parts };
}

interface FormatRun {
  format: WeightFormat;
  rowStart: number;
  rowCount: number;
}

/** Rows that have one format, from first to last. */
function formatRuns(
  sources: readonly WeightSource[],
  arrangement: NonNullable<PackWeightsOptions["arrangement"]>,
): FormatRun[] {
  const canPart = arrangement === "stacked" &&
    sources.slice(0, -1).every((source) => source.rowCount % GROUP_ROW_COUNT === 0);
  const shared = canPart ? null : commonFormat(sources.map(({ type }) => type));
  const runs: FormatRun[] = [];
  let rowStart = 0;
  for (const { type, rowCount } of sources) {
    const format = shared ?? commonFormat([type]);
    const last = runs.at(-1);
    if (last?.format === format) last.rowCount += rowCount;
    else runs.push({ format, rowStart, rowCount });
    rowStart += rowCount;
  }
  return runs;
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
  { format, rowStart, rowCount }: FormatRun,
  columnCount: number,
): WeightPart<Uint32Array<ArrayBuffer>> {
  const groupCount = divCeil(rowCount, GROUP_ROW_COUNT);
  const sideWordCount = groupCount * groupSideWordCount(format, columnCount);
  return {
    format,
    rowStart,
    rowCount,
    words: new Uint32Array(groupCount * groupWordCount(format, columnCount)),
    scales: sideWordCount > 0 ? new Uint32Array(sideWordCount) : null,
  };
}

type RowOf = (sourceRow: number) => number;

function offsetRows(start: number): RowOf {
  return (row) => start + row;
}

function strideRows(first: number, stride: number): RowOf {
  return (row) => first + row * stride;
}

const NO_SIDE = new Uint32Array();

function packSource(
  source: WeightSource,
  { parts, columnCount, rowOf }: {
    parts: PackedWeights["parts"];
    columnCount: number;
    rowOf: RowOf;
  },
): void {
  const { bytes, type } = source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { elementCount, sizeBytes } = TENSOR_TYPES[type];
  let at = 0;
  for (let sourceRow = 0; sourceRow < source.rowCount; sourceRow++) {
    const row = rowOf(sourceRow);
    const part = parts.findLast((candidate) => candidate.rowStart <= row)!;
    const { format } = part;
    const { vectorsPerBlock, unitColumnCount: sideColumnCount, sideWordCount } =
      WEIGHT_FORMATS[format];
    const write = unitWriter(type, format);
    // Whole blocks of the type, and of the format's side data.
    const unitColumns = Math.max(sideColumnCount, elementCount);
    const groupRow = row % GROUP_ROW_COUNT;
    const group = (row - part.rowStart - groupRow) / GROUP_ROW_COUNT;
    for (let column = 0; column < columnCount; column += unitColumns) {
      const block = (group * columnCount + column) / BLOCK_COLUMN_COUNT;
      const sideUnit = (group * columnCount + column) / sideColumnCount;
      write(view, at, {
        words: part.words,
        // Two rows share a vector if each takes half of one.
        vector: Math.floor((block * 4 + groupRow % 4) * vectorsPerBlock) * VECTOR_STRIDE +
          (groupRow >> 2),
        side: part.scales ?? NO_SIDE,
        sideStart: sideUnit * sideWordCount,
        row: groupRow,
      });
      at += unitColumns / elementCount * sizeBytes;
    }
  }
}
