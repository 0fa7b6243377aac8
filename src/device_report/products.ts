/**
 * Matrix products of a model's shapes: whether they are right on a device, and how fast.
 *
 * @module
 */

import { alignUp } from "../core/shapes.ts";
import { dequantise } from "../gguf/dequantise.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack, readBuffer } from "../gpu/read_back.ts";
import { ROW_TILE } from "../kernels/matmul/product.ts";
import { MatmulKernel } from "../kernels/matmul/rows.ts";
import { uploadWeights } from "../kernels/weight_layout.ts";
import { packWeights } from "../model/weight_format.ts";
import { matmulReference } from "../reference/matmul.ts";
import { fastest } from "./rates.ts";

/** Tensor types that are measured: the default model's, and one of 8 bits. */
const TYPES = ["Q4_1", "Q8_0"] as const;

/** Bytes of a block of 32 columns, of which the first are scales of f16. */
const BLOCKS = { Q4_1: { bytes: 20, scaleCount: 2 }, Q8_0: { bytes: 34, scaleCount: 1 } } as const;

/** 1/64 as f16. */
const SCALE = 0x2400;

/** Sums of up to a few thousand products in f32. */
const ERROR_MAX = 1e-10;

/** SmolLM2-135M's products but that of its vocabulary: `[outputs, columns]`. */
const SHAPES = {
  "query, key and value": [960, 576],
  "attention output": [576, 576],
  "gate and up": [3072, 576],
  "down": [576, 1536],
} as const;

const ROW_COUNTS = [1, 4, 64] as const;

/** One product on a device. */
export interface ProductReport {
  name: string;
  type: string;
  outputCount: number;
  columnCount: number;
  rowCount: number;
  milliseconds: number;
  /** Of the weight as in the file. */
  gigabytesPerSecond: number;
  gigaMultiplyAddsPerSecond: number;
  /** Squared error against plain loops in f64, by the squares of these. */
  error: number;
  isRight: boolean;
}

/** Runs every product with random weights. */
export async function measureProducts(gpu: Gpu): Promise<ProductReport[]> {
  const reports: ProductReport[] = [];
  for (const type of TYPES) {
    for (const [name, [outputCount, columnCount]] of Object.entries(SHAPES)) {
      reports.push(...await measureProduct(gpu, { name, type, outputCount, columnCount }));
    }
  }
  return reports;
}

async function measureProduct(
  gpu: Gpu,
  shape: Pick<ProductReport, "name" | "outputCount" | "columnCount"> & {
    type: typeof TYPES[number];
  },
): Promise<ProductReport[]> {
  const { type, outputCount, columnCount } = shape;
  const bytes = randomWeight(type, outputCount * columnCount);
  const { bindingSizeMax } = gpu.facts;
  const source = { type, bytes, rowCount: outputCount };
  const weights = uploadWeights(
    gpu,
    "weights",
    packWeights([source], {
      columnCount,
      bindingSizeMax,
    }),
  );
  const rowCountMax = alignUp(Math.max(...ROW_COUNTS), ROW_TILE);
  const inputs = randomInputs(rowCountMax * columnCount);
  const x = gpu.createBufferWith("x", inputs);
  const y = gpu.createBuffer("y", rowCountMax * outputCount * 4);
  const readBack = ReadBack.create(gpu, "product", 16);
  const kernel = await MatmulKernel.create(gpu, { weights, output: { kind: "store" } });
  const bound = kernel.bind({ weights, x, y });
  // One row is compared: the others have the same bits as if alone, which tests show.
  const expected = matmulReference(
    dequantise(type, bytes, outputCount * columnCount),
    inputs.subarray(0, columnCount),
    { columnCount },
  );
  const reports: ProductReport[] = [];
  for (const rowCount of ROW_COUNTS) {
    const milliseconds = await fastest(
      gpu,
      { readBack, y },
      (pass) => kernel.record(pass, bound, rowCount),
    );
    const row = new Float32Array(await readBuffer(gpu, y, { sizeBytes: outputCount * 4 }));
    const error = errorOf(row, expected);
    reports.push({
      ...shape,
      rowCount,
      milliseconds,
      gigabytesPerSecond: bytes.length / 1e6 / milliseconds,
      gigaMultiplyAddsPerSecond: rowCount * outputCount * columnCount / 1e6 / milliseconds,
      error,
      isRight: error <= ERROR_MAX,
    });
  }
  const parts = weights.parts.flatMap(({ words, scales }) => scales ? [words, scales] : [words]);
  readBack.destroy();
  for (const buffer of new Set([x, y, ...parts])) gpu.destroyBuffer(buffer);
  return reports;
}

/** The same each time. */
function randomWeight(type: typeof TYPES[number], valueCount: number): Uint8Array<ArrayBuffer> {
  const { bytes: blockBytes, scaleCount } = BLOCKS[type];
  const bytes = new Uint8Array(valueCount / 32 * blockBytes);
  let state = 1;
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const inBlock = at % blockBytes;
    bytes[at] = inBlock < 2 * scaleCount ? (inBlock % 2 === 0 ? 0 : SCALE >> 8) : state >>> 24;
  }
  return bytes;
}

function randomInputs(count: number): Float32Array<ArrayBuffer> {
  let state = 7;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function errorOf(actual: Float32Array, expected: Float64Array): number {
  let [difference, size] = [0, 0];
  for (const [index, value] of expected.entries()) {
    difference += (actual[index] - value) ** 2;
    size += value ** 2;
  }
  return difference / size;
}
