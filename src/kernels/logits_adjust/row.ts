import source from "../../../shaders/logits_adjust/row.wgsl" with { type: "text" };
import { BIAS_COUNT_MAX, type LogitAdjustments, needsCounts } from "../../core/sampling.ts";
import { divCeil, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

/** Bytes of one slot in {@link LogitsAdjustBuffers.settings}. */
export const ADJUST_SETTINGS_SIZE_BYTES = 32;

/** Bytes of one slot in {@link LogitsAdjustBuffers.bias}. */
export const BIAS_SIZE_BYTES = BIAS_COUNT_MAX * 2 * WORD_SIZE_BYTES;

const COUNTS_FLAG = 1;
const MASK_FLAG = 2;
const IN_PROMPT = 0x80000000;
const FLAGS_TEXT = constantsPart({ COUNTS_FLAG, MASK_FLAG, IN_PROMPT });

/** Words of a mask of `vocabSize` bits. */
export function maskWordCount(vocabSize: number): number {
  return divCeil(vocabSize, 32);
}

/** Buffers of one use of {@link LogitsAdjustKernel}. */
export interface LogitsAdjustBuffers {
  /** f32 `[rows, vocabSize]`. */
  logits: GPUBuffer | BufferSlice;
  /** u32x4 `[rows]`: slot, any, 1 if the token fed was generated else 0, which mask. */
  rows: GPUBuffer | BufferSlice;
  /** `[slots]` of {@link adjustSettingsWords}. */
  settings: GPUBuffer | BufferSlice;
  /** u32 `[slots]`: the token fed. */
  ids: GPUBuffer | BufferSlice;
  /** u32 `[masks, maskWordCount]`: bit `id % 32` of word `id / 32` is set if it is allowed. */
  mask: GPUBuffer | BufferSlice;
  /** `[slots, BIAS_COUNT_MAX]` of {@link biasWords}. */
  bias: GPUBuffer | BufferSlice;
  /** u32 `[slots, vocabSize]`, {@link tokenCountWords} at first; counted up. */
  counts: GPUBuffer | BufferSlice;
  /** f32 `[rows, vocabSize]`: the result. */
  adjusted: GPUBuffer | BufferSlice;
}

/** One slot's settings as the kernel reads them: 8 words, f32 and u32 mixed. */
export function adjustSettingsWords(
  adjustments: LogitAdjustments,
  { isMasked }: { isMasked: boolean },
): Uint32Array {
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = adjustments;
  const words = new Uint32Array(ADJUST_SETTINGS_SIZE_BYTES / WORD_SIZE_BYTES);
  new Float32Array(words.buffer).set([repetitionPenalty, frequencyPenalty, presencePenalty]);
  words[3] = (needsCounts(adjustments) ? COUNTS_FLAG : 0) | (isMasked ? MASK_FLAG : 0);
  words[4] = logitBias.length;
  return words;
}

/** A slot's bias as the kernel reads it: id and f32 in turn. */
export function biasWords(logitBias: LogitAdjustments["logitBias"]): Uint32Array {
  const words = new Uint32Array(logitBias.length * 2);
  const values = new Float32Array(words.buffer);
  logitBias.forEach(([id, bias], index) => {
    words[index * 2] = id;
    values[index * 2 + 1] = bias;
  });
  return words;
}

/**
 * Counts of a slot: the highest bit is set for a prompt's tokens, the others count how often each
 * was generated.
 */
export function tokenCountWords(
  vocabSize: number,
  { promptIds, generatedIds }: { promptIds: readonly number[]; generatedIds: readonly number[] },
): Uint32Array {
  const words = new Uint32Array(vocabSize);
  for (const id of promptIds) words[id] = IN_PROMPT;
  for (const id of generatedIds) words[id]++;
  return words;
}

/** Changes logits as the slots of the rows ask; see the shader for the rules. */
export class LogitsAdjustKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for rows of `vocabSize` logits. */
  static async create(gpu: Gpu, options: { vocabSize: number }): Promise<LogitsAdjustKernel> {
    const { vocabSize } = options;
    const constants = {
      VOCAB_SIZE: vocabSize,
      MASK_WORD_COUNT: maskWordCount(vocabSize),
      BIAS_COUNT_MAX,
      WORKGROUP_SIZE: rowWorkgroupSize("logits_adjust", gpu.facts),
    };
    const code = [source, FLAGS_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "logits_adjust", code, constants });
    return new LogitsAdjustKernel(kernel);
  }

  /** Binds buffers. */
  bind(buffers: LogitsAdjustBuffers): GPUBindGroup {
    const { logits, rows, settings, ids, mask, bias, counts, adjusted } = buffers;
    return this.#kernel.bind({
      logits,
      rows,
      settings_of: settings,
      ids,
      mask,
      bias,
      counts,
      adjusted,
    });
  }

  /** Encodes the change of `rowCount` rows; no two of them name one slot if it has counts. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, rowCount);
  }
}
