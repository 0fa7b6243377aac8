/** Products of activations as codes of 8 bits, run by a kernel and by plain loops. */

import { alignUp } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { MatmulCodesKernel } from "../../src/kernels/matmul/codes.ts";
import { MatmulCodesTileKernel } from "../../src/kernels/matmul/codes_tile.ts";
import type { TileRowCount } from "../../src/kernels/matmul/row_counts.ts";
import { ROW_TILE } from "../../src/kernels/matmul/row_counts.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import {
  codeValues,
  quantiseActivationsReference,
} from "../../src/reference/activation_quantise.ts";
import { matmulReference } from "../../src/reference/matmul.ts";
import { readF32, submitPass, testGpu } from "./gpu.ts";
import { seededNormals } from "./numeric.ts";
import { randomBlocks } from "./random_blocks.ts";

/** Types whose codes integers are multiplied with, and where a block of one has f16 scales. */
export const CODE_TYPES = {
  Q8_0: [0],
  Q6_K: [208],
  Q5_K: [0, 2],
  Q4_K: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_0: [0],
  Q4_1: [0, 2],
} as const satisfies Partial<Record<TensorType, readonly number[]>>;

/** A type of {@link CODE_TYPES}. */
export type CodeType = keyof typeof CODE_TYPES;

/** Sizes, and how the product is made. */
export interface CodesProblem {
  type: CodeType;
  columnCount: number;
  outputCount: number;
  /** By few rows or by tiles. */
  kind: "rows" | "tile";
  /** Of tiles. */
  tileRowCount?: TileRowCount;
  /** Runs that follow each other with the same kernel. */
  runs: readonly CodesRun[];
  way?: string;
  norm?: boolean;
  hasDot4?: boolean;
  bindingSizeMax?: number;
}

/** Rows, and whether `x` and weights are whole numbers, so that sums are exact. */
export interface CodesRun {
  rowCount: number;
  isWhole?: boolean;
}

/** f32 `[rows, outputCount]`, as it was found and as plain loops make it. */
export interface CodesResult {
  y: Float32Array;
  expected: Float64Array;
}

const KERNELS = { rows: MatmulCodesKernel, tile: MatmulCodesTileKernel };

const NORM_EPSILON = 1e-5;

/** What each run gives. */
export async function solveCodes(problem: CodesProblem): Promise<CodesResult[]> {
  const { columnCount, outputCount, runs, kind, way, norm = false, hasDot4 = true } = problem;
  const { tileRowCount = 64 } = problem;
  const gpu = await testGpu();
  const paddedCount = alignUp(Math.max(...runs.map(({ rowCount }) => rowCount)), ROW_TILE);
  const problems = [false, true].map((isWhole) => {
    const { bytes, packed } = packedBlocks(problem, isWhole);
    const x = (isWhole ? wholeInputs : inputs)(paddedCount * columnCount);
    return { bytes, weights: uploadWeights(gpu, "weights", packed), x };
  });
  const kernel = await KERNELS[kind].create(gpu, {
    weights: problems[0].weights,
    output: { kind: "store" },
    scratch: (label, sizeBytes) => gpu.createBuffer(label, sizeBytes),
    ...(way === undefined ? {} : { way }),
    ...(kind === "rows" ? {} : { tileRowCount }),
    ...(norm ? { normEpsilon: NORM_EPSILON } : {}),
  }, { ...gpu.facts, hasDot4 });
  const normWeight = seededNormals(columnCount, 3);
  const results: CodesResult[] = [];
  for (const { rowCount, isWhole = false } of runs) {
    const { bytes, weights, x } = problems[Number(isWhole)];
    const y = gpu.createBuffer("y", paddedCount * outputCount * 4);
    const bound = kernel.bind({
      weights,
      x: gpu.createBufferWith("x", x),
      y,
      ...(norm ? { normWeight: gpu.createBufferWith("norm weight", normWeight) } : {}),
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
    const codes = quantiseActivationsReference(x.subarray(0, rowCount * columnCount), {
      columnCount,
      ...(norm ? { norm: { weight: normWeight, epsilon: NORM_EPSILON } } : {}),
    });
    const values = dequantise(problem.type, bytes, outputCount * columnCount);
    const expected = matmulReference(values, codeValues(codes), { columnCount });
    results.push({ y: await readF32(gpu, y, rowCount * outputCount), expected });
  }
  return results;
}

function packedBlocks(
  { type, columnCount, outputCount, bindingSizeMax = 2 ** 27 }: CodesProblem,
  isWhole: boolean,
) {
  const bytes = randomBlocks(type, outputCount * columnCount, 1);
  if (isWhole) setScalesToOne(type, bytes);
  const source = { type, bytes, rowCount: outputCount };
  return { bytes, packed: packWeights([source], { columnCount, bindingSizeMax }) };
}

function inputs(count: number): Float32Array<ArrayBuffer> {
  const x = Float32Array.from(seededNormals(count, 2));
  x[0] = 30; // an outlier
  return x;
}

/** Whole numbers up to 127, which is in every group, so that a group's scale is 1. */
function wholeInputs(count: number): Float32Array<ArrayBuffer> {
  return inputs(count).map((value, i) =>
    i % 32 === 7 ? -127 : Math.max(-127, Math.min(127, Math.round(40 * value)))
  );
}

const HALF_ONE = 0x3c00;

function setScalesToOne(type: CodeType, bytes: Uint8Array): void {
  const { sizeBytes } = TENSOR_TYPES[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let block = 0; block < bytes.length; block += sizeBytes) {
    for (const at of CODE_TYPES[type]) view.setUint16(block + at, HALF_ONE, true);
  }
}
