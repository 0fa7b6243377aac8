import source from "../../../shaders/sample/row.wgsl" with { type: "text" };
import cutSource from "../../../shaders/lib/sample_cut.wgsl" with { type: "text" };
import type { SamplingOptions } from "../../core/sampling.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

/** Bytes of one slot in {@link SampleBuffers.settings}. */
export const SAMPLE_SETTINGS_SIZE_BYTES = 32;

/** Buffers of one use of {@link SampleKernel}. */
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

/** Chooses a token for each row of logits; see the shader for the rules. */
export class SampleKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for rows of `vocabSize` logits. */
  static async create(
    gpu: Gpu,
    options: { vocabSize: number; workgroupSize?: number },
  ): Promise<SampleKernel> {
    const constants = {
      VOCAB_SIZE: options.vocabSize,
      WORKGROUP_SIZE: options.workgroupSize ?? rowWorkgroupSize("sample", gpu.facts),
    };
    const code = `${source}\n${cutSource}`;
    const kernel = await Kernel.create(gpu, { label: "sample", code, constants });
    return new SampleKernel(kernel);
  }

  /** Binds buffers. */
  bind({ logits, rows, settings, ids }: SampleBuffers): GPUBindGroup {
    return this.#kernel.bind({ logits_by_4: logits, logits, rows, settings_of: settings, ids });
  }

  /** Records the choice for `rowCount` rows; no two of them name one place. */
  record(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, rowCount);
  }
}
