import type { TensorType } from "../gguf/tensor_types.ts";

/** Shape of a model whose kernels are measured. */
export interface ReportModel {
  name: string;
  layerCount: number;
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  vocabSize: number;
  /** Tensor types of its products, with random weights. */
  types: readonly TensorType[];
  /** Products of a layer by name: `[outputs, columns]`. */
  products: Readonly<Record<string, readonly [outputCount: number, columnCount: number]>>;
  /** Its vocabulary's product, which is as fast as those of a layer. */
  headShape: readonly [outputCount: number, columnCount: number];
}

/** The default model, and one of 8B as it is often served. */
export const REPORT_MODELS: readonly ReportModel[] = [
  {
    name: "SmolLM2-135M",
    layerCount: 30,
    queryHeadCount: 9,
    kvHeadCount: 3,
    headSize: 64,
    vocabSize: 49_152,
    types: ["Q4_1", "Q8_0"],
    products: {
      "query, key and value": [960, 576],
      "attention output": [576, 576],
      "gate and up": [3072, 576],
      "down": [576, 1536],
    },
    headShape: [49_152, 576],
  },
  {
    name: "8B",
    layerCount: 32,
    queryHeadCount: 32,
    kvHeadCount: 8,
    headSize: 128,
    vocabSize: 128_256,
    types: ["Q4_K"],
    products: {
      "query, key and value": [6144, 4096],
      "attention output": [4096, 4096],
      "gate and up": [28_672, 4096],
      "down": [4096, 14_336],
    },
    headShape: [128_256, 4096],
  },
];

/** Multiply-adds that are too many for a CPU to make in a report. */
export const CPU_WORK_MAX = 1e9;

/** Time and result of one kernel. */
export interface MeasuredKernel {
  name: string;
  milliseconds: number;
  /** Squared error against plain loops, by the squares of these; of bits or ids, 0 or 1. */
  error: number;
}
