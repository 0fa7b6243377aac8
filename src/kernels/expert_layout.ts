/**
 * How weights of experts lie on the device: the weights of `weight_layout.ts` of all experts, one
 * behind the other, cut into parts of whole experts that each fit one binding.
 *
 * @module
 */

import type { WeightFormat } from "./weight_formats.ts";

/** What kernels for weights of experts depend on. */
export interface ExpertWeightShape {
  format: WeightFormat;
  expertCount: number;
  /** Rows of one expert; a multiple of 32. */
  rowCount: number;
  columnCount: number;
  parts: readonly { expertStart: number; expertCount: number }[];
}

/** Weights of experts in device memory. */
export interface DeviceExpertWeights extends ExpertWeightShape {
  parts: readonly {
    expertStart: number;
    expertCount: number;
    /** u32 words of codes. */
    words: GPUBuffer;
    /** u32 words of side data; none in formats without. */
    scales: GPUBuffer | null;
  }[];
}
