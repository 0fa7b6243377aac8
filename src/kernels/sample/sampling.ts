/**
 * What the kernels that choose tokens have in common.
 *
 * @module
 */

import cutText from "../../../shaders/lib/sample_cut.wgsl" with { type: "text" };
import drawText from "../../../shaders/lib/sample_draw.wgsl" with { type: "text" };
import lanesText from "../../../shaders/lib/sample_lanes.wgsl" with { type: "text" };
import weightsText from "../../../shaders/lib/sample_weights.wgsl" with { type: "text" };
import type { SamplingOptions } from "../../core/sampling.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice } from "../../gpu/gpu.ts";

/** Reductions of lanes, and weights of tokens. */
export const SAMPLE_COMMON_TEXT: string = [lanesText, weightsText].join("\n");

/** The same, the search of a cut, and the draw. */
export const SAMPLE_DRAW_TEXT: string = [SAMPLE_COMMON_TEXT, cutText, drawText].join("\n");

/** Bytes of one slot in {@link SampleBuffers.settings}. */
export const SAMPLE_SETTINGS_SIZE_BYTES = 32;

/** Buffers of one use of a {@link TokenSampler}. */
export interface SampleBuffers {
  /** f32 `[rows, vocabSize]`, finite or -infinity; 16-byte aligned, rows follow without a gap. */
  logits: GPUBuffer | BufferSlice;
  /** u32x4 `[rows]`: slot, position (the counter of the random numbers), 0, index in `ids`. */
  rows: GPUBuffer | BufferSlice;
  /** `[slots]` of {@link sampleSettingsWords}. */
  settings: GPUBuffer | BufferSlice;
  /** u32: the chosen token of each row, where the row says; others are left alone. */
  ids: GPUBuffer | BufferSlice;
}

/** One slot's settings as the kernel reads them: 8 words, f32 and u32 mixed. */
export function sampleSettingsWords(settings: SamplingOptions): Uint32Array {
  const { temperature, topP, minP, topK, seed } = settings;
  const words = new Uint32Array(SAMPLE_SETTINGS_SIZE_BYTES / WORD_SIZE_BYTES);
  new Float32Array(words.buffer).set([temperature, topP, minP]);
  words.set([topK, seed], 3);
  return words;
}

/** Buffers of one use, bound. */
export interface BoundSample {
  /** Of each stage. */
  groups: readonly GPUBindGroup[];
  /** What the stages leave to the next ones; freed by the caller. */
  scratch: readonly GPUBuffer[];
}

/** Chooses a token for each row of logits. */
export interface TokenSampler {
  /** Binds buffers, for up to `rowCountMax` rows. */
  bind(buffers: SampleBuffers, rowCountMax: number): BoundSample;
  /** Encodes the choice for `rowCount` rows; no two of them name one place. */
  encode(pass: GPUComputePassEncoder, bound: BoundSample, rowCount: number): void;
}
