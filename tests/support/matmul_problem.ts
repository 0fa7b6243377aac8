/** One matrix product with random weights, run by a kernel and by plain loops. */

import { alignUp } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import type { MatmulOutput } from "../../src/kernels/matmul/product.ts";
import { ROW_TILE } from "../../src/kernels/matmul/row_counts.ts";
import { MatmulKernel, type MatmulRowsOptions } from "../../src/kernels/matmul/rows.ts";
import type { TileRowCount } from "../../src/kernels/matmul/row_counts.ts";
import { MatmulTileKernel } from "../../src/kernels/matmul/tile.ts";
import type { MatmulVariant } from "../../src/kernels/matmul/variants.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import {
  cappedReference,
  clampedPairsReference,
  geluPairsReference,
  matmulNormReference,
  matmulReference,
  siluPairsReference,
} from "../../src/reference/matmul.ts";
import { readF32, submitPass, testGpu } from "./gpu.ts";
import { assertNear, seededNormals } from "./numeric.ts";
import { randomBlocks } from "./random_blocks.ts";

/** f32 sums of up to a few thousand products: about 1e-7 of the result each, squared. */
const NMSE_MAX = 1e-12;

/** WGSL lets tanh be off by 1e-5; here it is by about 1e-6. */
const CAPPED_NMSE_MAX = 1e-11;

/** Sizes, and what becomes of the outputs. */
export interface MatmulProblem {
  type: TensorType;
  rowCount: number;
  outputCount: number;
  columnCount: number;
  output?: "store" | "add" | "addBiased" | "silu" | "gelu" | "clamped" | "capped" | "gated";
  /** Of output `gated`. */
  activation?: "silu" | "gelu" | "clamped";
  /** Of output `add`. */
  factor?: number;
  norm?: boolean;
  /** By few rows in one of the ways, or by tiles; what the adapter gets for few if left out. */
  way?: MatmulVariant["name"] | "tile";
  /** Of tiles. */
  tileRowCount?: TileRowCount;
  bindingSizeMax?: number;
  why: string;
}

/** The bits of values. */
export function bitsOf(values: Float32Array): number[] {
  return [...new Uint32Array(values.slice().buffer)];
}

/** Runs one problem; `y` has the padded rows too. */
export async function solveMatmul(
  problem: MatmulProblem,
): Promise<{ y: Float32Array; expected: Float64Array }> {
  const { type, rowCount, outputCount, columnCount, norm = false } = problem;
  const { output = "store", bindingSizeMax = 2 ** 27, factor = 1 } = problem;
  const gpu = await testGpu();
  const bytes = randomBlocks(type, outputCount * columnCount, 1);
  const packed = packWeights([{ type, bytes, rowCount: outputCount }], {
    columnCount,
    bindingSizeMax,
  });
  const weights = uploadWeights(gpu, "weights", packed);
  const paddedCount = alignUp(rowCount, ROW_TILE);
  // Rows beyond the first `rowCount` are there, and must not matter.
  const x = seededNormals(paddedCount * columnCount, 2);
  x[0] = 30; // an outlier, so that the norm is not close to 1
  const normWeight = seededNormals(columnCount, 3);
  const bias = seededNormals(outputCount, 5);
  const up = seededNormals(paddedCount * upColumnCount(outputCount), 6);
  const isPaired = output === "silu" || output === "gelu" || output === "clamped";
  const yCount = isPaired ? outputCount / 2 : outputCount;
  const before = seededNormals(paddedCount * yCount, 4);
  const options: MatmulRowsOptions = {
    weights,
    output: outputOf(problem),
  };
  if (norm) options.normEpsilon = 1e-5;
  const { way, tileRowCount = 64 } = problem;
  if (way && way !== "tile") options.way = way;
  const kernel = way === "tile"
    ? await MatmulTileKernel.create(gpu, { ...options, tileRowCount })
    : await MatmulKernel.create(gpu, options);
  const y = gpu.createBufferWith("y", before);
  const bound = kernel.bind({
    weights,
    x: gpu.createBufferWith("x", x),
    normWeight: gpu.createBufferWith("norm weight", normWeight),
    y,
    ...(output === "addBiased" ? { bias: gpu.createBufferWith("bias", bias) } : {}),
    ...(output === "gated" ? { up: gpu.createBufferWith("up", up) } : {}),
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
  const used = x.subarray(0, rowCount * columnCount);
  const weight = dequantise(type, bytes, outputCount * columnCount);
  const product = norm
    ? matmulNormReference(weight, used, { weight: normWeight, epsilon: 1e-5 })
    : matmulReference(weight, used, { columnCount });
  const pairs = Float64Array.from({ length: 2 * product.length }, (_, i) => {
    const place = i >> 1;
    const row = Math.floor(place / outputCount);
    return i % 2 === 0
      ? product[place]
      : up[row * upColumnCount(outputCount) + place % outputCount];
  });
  const expected = output === "gated"
    ? expectedOf(problem.activation, pairs)
    : expectedOf(output, product);
  if (output === "add") expected.forEach((value, i) => expected[i] = factor * value + before[i]);
  if (output === "addBiased") {
    const biased = (value: number, i: number) => value + bias[i % outputCount];
    expected.forEach((value, i) => expected[i] = factor * biased(value, i) + before[i]);
  }
  return { y: await readF32(gpu, y, before.length), expected };
}

/** Small enough to bend most outputs. */
const CAP = 2;

/** Values of a row of `up`, of which the first are gated. */
function upColumnCount(outputCount: number): number {
  return outputCount + 3;
}

function outputOf(problem: MatmulProblem): MatmulOutput {
  const { output: kind = "store", factor = 1, activation = "silu", outputCount } = problem;
  if (kind === "gated") {
    return { kind, activation, upColumnCount: upColumnCount(outputCount) };
  }
  if (kind === "add" || kind === "addBiased") return { kind, factor };
  return kind === "capped" ? { kind, cap: CAP } : { kind };
}

function expectedOf(kind: MatmulProblem["output"], product: Float64Array): Float64Array {
  if (kind === "silu") return siluPairsReference(product);
  if (kind === "gelu") return geluPairsReference(product);
  if (kind === "clamped") return clampedPairsReference(product);
  return kind === "capped" ? cappedReference(product, CAP) : product;
}

/** Fails where a product is off by more than f32 sums are. */
export async function assertSolved(problem: MatmulProblem): Promise<void> {
  const { y, expected } = await solveMatmul(problem);
  const nmseMax = problem.output === "capped" ? CAPPED_NMSE_MAX : NMSE_MAX;
  assertNear(y.subarray(0, expected.length), expected, nmseMax);
}
