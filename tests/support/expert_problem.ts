/** Products of experts, run by a kernel and by plain loops. */

import { assert } from "@std/assert";
import { divExact } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import {
  bundleCapacityWords,
  type BundleRoom,
  bundleSize,
  bundleWordCount,
  type ExpertCounts,
  ROWS_ROOM,
  TILE_ROOM,
} from "../../src/kernels/expert_bundles.ts";
import type { DeviceExpertWeights } from "../../src/kernels/expert_layout.ts";
import { ExpertMatmulCodesKernel } from "../../src/kernels/expert_matmul/codes.ts";
import { ExpertMatmulCodesTileKernel } from "../../src/kernels/expert_matmul/codes_tile.ts";
import type { ExpertMatmul, ExpertMatmulOptions } from "../../src/kernels/expert_matmul/product.ts";
import { ExpertMatmulKernel } from "../../src/kernels/expert_matmul/rows.ts";
import { ExpertMatmulTileKernel } from "../../src/kernels/expert_matmul/tile.ts";
import type { MatmulVariant } from "../../src/kernels/matmul/variants.ts";
import { uploadExperts } from "../../src/model/expert_weights.ts";
import {
  codeValues,
  quantiseActivationsReference,
} from "../../src/reference/activation_quantise.ts";
import { expertMatmulReference } from "../../src/reference/expert_matmul.ts";
import { expertRouteReference } from "../../src/reference/expert_route.ts";
import {
  clampedPairsReference,
  geluPairsReference,
  rmsNormReference,
  siluPairsReference,
} from "../../src/reference/matmul.ts";
import { readF32, submitPass, testGpu } from "./gpu.ts";
import { seededNormals } from "./numeric.ts";
import { randomBlocks } from "./random_blocks.ts";

const OUTPUTS = {
  store: (products: ArrayLike<number>) => Float64Array.from(products),
  silu: siluPairsReference,
  gelu: geluPairsReference,
  clamped: clampedPairsReference,
};

/** Sizes, and how the product is made. */
export interface ExpertProblem {
  type: TensorType;
  expertCount: number;
  usedCount: number;
  rowCount: number;
  outputCount: number;
  columnCount: number;
  input?: ExpertMatmulOptions["input"];
  output?: ExpertMatmulOptions["output"];
  hasBiases?: boolean;
  norm?: boolean;
  /** By few rows in one of the ways, or by tiles; what the adapter gets for few if left out. */
  way?: MatmulVariant["name"] | "tile";
  /** Of `x` as codes of 8 bits; `apart` without dot4I8Packed. */
  codes?: "packed" | "apart";
  bindingSizeMax?: number;
}

/** Weights of all experts on the device, in parts as a binding of the problem allows. */
function upload(
  gpu: Gpu,
  problem: ExpertProblem,
  bytes: Uint8Array<ArrayBuffer>,
): DeviceExpertWeights {
  const { type, expertCount, outputCount: rowCount, columnCount, bindingSizeMax } = problem;
  const expertBytes = divExact(bytes.length, expertCount);
  const own = { ...gpu.facts };
  gpu.facts.bindingSizeMax = bindingSizeMax ?? 2 ** 27;
  try {
    return uploadExperts(gpu, {
      label: "weights",
      expertCount,
      columnCount,
      arrangement: "stacked",
      sourcesOf: (expert) => {
        const start = expert * expertBytes;
        return [{ type, bytes: bytes.subarray(start, start + expertBytes), rowCount }];
      },
    });
  } finally {
    Object.assign(gpu.facts, own);
  }
}

/** f32 outputs of all visits, as they were found and as plain loops make them. */
export interface ExpertResult {
  y: Float32Array;
  expected: Float64Array;
}

/** What the product of a problem gives. Rows of a problem are the first of one with more rows. */
export async function solveExperts(problem: ExpertProblem): Promise<ExpertResult> {
  const { type, expertCount, usedCount, rowCount, outputCount, columnCount } = problem;
  const { input = "row", output = "store", hasBiases = false, norm = false } = problem;
  const room = problem.way === "tile" ? TILE_ROOM : ROWS_ROOM;
  const gpu = await testGpu();
  const bytes = randomBlocks(type, expertCount * outputCount * columnCount, 1);
  const weights = upload(gpu, problem, bytes);
  if (problem.bindingSizeMax !== undefined) assert(weights.parts.length > 1, "there are parts");
  const visitCount = rowCount * usedCount;
  // Every row and its choices are the same in any batch: rows are the first of a longer list.
  const logits = seededNormals(64 * expertCount, 5).subarray(0, rowCount * expertCount);
  const routes = expertRouteReference(logits, {
    biases: new Float32Array(expertCount),
    usedCount,
    bundleSize: bundleSize(rowCount, room),
  });
  const inputCount = input === "row" ? rowCount : visitCount;
  const x = seededNormals(64 * usedCount * columnCount, 2).subarray(0, inputCount * columnCount);
  const normWeight = seededNormals(columnCount, 3);
  const biases = seededNormals(expertCount * outputCount, 4, 3);
  const options: ExpertMatmulOptions = { weights, usedCount, input, output, hasBiases };
  if (norm) options.normEpsilon = 1e-5;
  const kernel = await kernelOf(gpu, problem, options);
  const isGated = typeof output !== "string";
  const yCount = output === "store" || isGated ? outputCount : outputCount / 2;
  const up = seededNormals(visitCount * outputCount, 6);
  const y = gpu.createBuffer("y", visitCount * yCount * 4);
  const bound = kernel.bind({
    weights,
    x: gpu.createBufferWith("x", x),
    y,
    bundles: gpu.createBufferWith(
      "bundles",
      wordsOf(routes.bundles, { expertCount, usedCount, room, rowCount }),
    ),
    ...(norm ? { normWeight: gpu.createBufferWith("norm weight", normWeight) } : {}),
    ...(isGated ? { up: gpu.createBufferWith("up", up) } : {}),
    ...(hasBiases ? { biases: gpu.createBufferWith("biases", biases) } : {}),
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
  const products = expertMatmulReference(
    dequantise(type, bytes, expertCount * outputCount * columnCount),
    inputsOf(problem, x, normWeight),
    { expertCount, columnCount, choices: routes.choices, biases: hasBiases ? biases : null },
  );
  const expected = isGated
    ? OUTPUTS[output.gated]([...products].flatMap((gate, i) => [gate, up[i]]))
    : OUTPUTS[output](products);
  return { y: await readF32(gpu, y, visitCount * yCount), expected };
}

function kernelOf(
  gpu: Gpu,
  { way, codes }: ExpertProblem,
  options: ExpertMatmulOptions,
): Promise<ExpertMatmul> {
  if (codes !== undefined) {
    const kind = way === "tile" ? ExpertMatmulCodesTileKernel : ExpertMatmulCodesKernel;
    const scratch = (label: string, sizeBytes: number) => gpu.createBuffer(label, sizeBytes);
    const facts = { ...gpu.facts, hasDot4: codes === "packed" };
    return kind.create(gpu, { ...options, scratch, ...(way && { way }) }, facts);
  }
  return way === "tile"
    ? ExpertMatmulTileKernel.create(gpu, options)
    : ExpertMatmulKernel.create(gpu, { ...options, ...(way && { way }) });
}

/** What weights are multiplied with. */
function inputsOf(
  { columnCount, codes, norm = false }: ExpertProblem,
  x: Float32Array,
  weight: Float32Array,
): Float64Array {
  const epsilon = 1e-5;
  if (codes === undefined) {
    return norm ? rmsNormReference(x, weight, { epsilon }) : Float64Array.from(x);
  }
  const options = { columnCount, ...(norm ? { norm: { weight, epsilon } } : {}) };
  return Float64Array.from(codeValues(quantiseActivationsReference(x, options)));
}

/** Bundles as `expert_route` leaves them: of those with more room the rest is of earlier steps. */
function wordsOf(
  bundles: readonly { expert: number; visits: number[] }[],
  { rowCount, ...counts }: Required<ExpertCounts> & { rowCount: number; room: BundleRoom },
): Uint32Array {
  const { room } = counts;
  const words = new Uint32Array(bundleCapacityWords(counts, rowCount));
  for (const [index, { expert, visits }] of bundles.entries()) {
    const rest = room === ROWS_ROOM ? visits[0] : 0xffffffff;
    const padded = [...visits, ...Array(room).fill(rest)].slice(0, room);
    words.set([...padded, expert, visits.length], index * bundleWordCount(room));
  }
  return words;
}
