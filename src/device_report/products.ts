/**
 * Matrix products of a model's shapes: whether they are right on a device, and how fast.
 *
 * @module
 */

import { dequantise } from "../gguf/dequantise.ts";
import { elementsSizeBytes, type TensorType } from "../gguf/tensor_types.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { uploadWeights } from "../kernels/weight_layout.ts";
import { MatmulSet } from "../model/matmul_set.ts";
import { packWeights } from "../model/weight_format.ts";
import { matmulReference } from "../reference/matmul.ts";
import { CPU_WORK_MAX, type ReportModel } from "./models.ts";
import { errorOf, randomValues } from "./random.ts";
import { timeOf } from "../gpu/timing.ts";

/** Bytes of a block, of which the first are scales of f16. */
const BLOCKS: Partial<Record<TensorType, { bytes: number; scaleCount: number }>> = {
  Q4_1: { bytes: 20, scaleCount: 2 },
  Q8_0: { bytes: 34, scaleCount: 1 },
  Q4_K: { bytes: 144, scaleCount: 2 },
};

/** 1/64 as f16. */
const SCALE = 0x2400;

/** Sums of up to some thousand products in f32. */
const ERROR_MAX = 1e-10;

/** Outputs that are compared, of the first row of x: all are made by the same text. */
const COMPARED_COUNT = 64;

/** A decode row, some of them, and a slice. */
const ROW_COUNTS = [1, 4, 64] as const;

/** One product on a device. */
export interface ProductReport {
  model: string;
  name: string;
  type: string;
  outputCount: number;
  columnCount: number;
  /** 64 are a slice. */
  rowCount: number;
  milliseconds: number;
  /** Of the weight as in the file. */
  gigabytesPerSecond: number;
  gigaMultiplyAddsPerSecond: number;
  /** Squared error against plain loops in f64, by the squares of these. */
  error: number;
  isRight: boolean;
}

/** Runs every product of a model with random weights; a CPU leaves out slices of a large one. */
export async function measureProducts(gpu: Gpu, model: ReportModel): Promise<ProductReport[]> {
  const reports: ProductReport[] = [];
  for (const type of model.types) {
    for (const [name, [outputCount, columnCount]] of Object.entries(model.products)) {
      const shape = { model: model.name, name, type, outputCount, columnCount };
      reports.push(...await measureProduct(gpu, shape));
    }
  }
  return reports;
}

async function measureProduct(
  gpu: Gpu,
  shape: Pick<ProductReport, "model" | "name" | "outputCount" | "columnCount"> & {
    type: TensorType;
  },
): Promise<ProductReport[]> {
  const { type, outputCount, columnCount } = shape;
  const bytes = randomWeight(type, outputCount * columnCount);
  const { bindingSizeMax } = gpu.facts;
  const source = { type, bytes, rowCount: outputCount };
  const weights = uploadWeights(
    gpu,
    "weights",
    packWeights([source], { columnCount, bindingSizeMax }),
  );
  const rowCountMax = Math.max(...ROW_COUNTS);
  const inputs = randomValues(rowCountMax * columnCount, { seed: 7 });
  const x = gpu.createBufferWith("x", inputs);
  const y = gpu.createBuffer("y", rowCountMax * outputCount * 4);
  const comparedBytes = elementsSizeBytes(type, COMPARED_COUNT * columnCount);
  const expected = matmulReference(
    dequantise(type, bytes.subarray(0, comparedBytes), COMPARED_COUNT * columnCount),
    inputs.subarray(0, columnCount),
    { columnCount },
  );
  const kernels = new MatmulSet(gpu, { normEpsilon: 0 });
  const reports: ProductReport[] = [];
  for (const rowCount of ROW_COUNTS) {
    const work = rowCount * outputCount * columnCount;
    if (gpu.facts.isFallback && work > CPU_WORK_MAX) continue;
    const use = { hasNorm: false, isSlice: rowCount === rowCountMax };
    const kernel = await kernels.get(weights, { kind: "store" }, use);
    const bound = kernel.bind({ weights, x, y });
    const milliseconds = await timeOf(gpu, y, (pass) => kernel.encode(pass, bound, rowCount));
    const sizeBytes = COMPARED_COUNT * 4;
    const error = errorOf(new Float32Array(await readBuffer(gpu, y, { sizeBytes })), expected);
    reports.push({
      ...shape,
      rowCount,
      milliseconds,
      gigabytesPerSecond: bytes.length / 1e6 / milliseconds,
      gigaMultiplyAddsPerSecond: work / 1e6 / milliseconds,
      error,
      isRight: error <= ERROR_MAX,
    });
  }
  const parts = weights.parts.flatMap(({ words, scales }) => scales ? [words, scales] : [words]);
  for (const buffer of new Set([x, y, ...parts])) gpu.destroyBuffer(buffer);
  return reports;
}

function randomWeight(type: TensorType, valueCount: number): Uint8Array<ArrayBuffer> {
  const { bytes: blockBytes, scaleCount } = BLOCKS[type]!;
  const bytes = new Uint8Array(elementsSizeBytes(type, valueCount));
  let state = 1;
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const inBlock = at % blockBytes;
    bytes[at] = inBlock < 2 * scaleCount ? (inBlock % 2 === 0 ? 0 : SCALE >> 8) : state >>> 24;
  }
  return bytes;
}
