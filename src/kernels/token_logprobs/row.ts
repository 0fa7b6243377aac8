import source from "../../../shaders/token_logprobs/row.wgsl" with { type: "text" };
import { type TokenLogprobs, TOP_LOGPROB_COUNT_MAX } from "../../core/sampling.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

const TOP_START = 4;
const RESULT_WORD_COUNT: number = TOP_START + 2 * TOP_LOGPROB_COUNT_MAX;
const RESULT_TEXT = constantsPart({
  TOP_START,
  TOP_COUNT_MAX: TOP_LOGPROB_COUNT_MAX,
  RESULT_WORD_COUNT,
});

/** Bytes of one result. */
export const LOGPROB_RESULT_SIZE_BYTES = RESULT_WORD_COUNT * WORD_SIZE_BYTES;

/** Buffers of one use of {@link TokenLogprobsKernel}. */
export interface TokenLogprobsBuffers {
  /** f32 `[rows, vocabSize]`, finite. */
  logits: GPUBuffer | BufferSlice;
  /** u32x4 `[results]`: row of `logits`, index of the token in `ids`, alternatives (≤ 20), 0. */
  wanted: GPUBuffer | BufferSlice;
  /** u32: token ids. */
  ids: GPUBuffer | BufferSlice;
  /** u32 `[results, 44]`, for {@link readLogprobs}. */
  results: GPUBuffer | BufferSlice;
}

/** One result in words. */
export function readLogprobs(words: Uint32Array, index: number, topCount: number): TokenLogprobs {
  const start = words.byteOffset + index * LOGPROB_RESULT_SIZE_BYTES;
  const ids = new Uint32Array(words.buffer, start, RESULT_WORD_COUNT);
  const values = new Float32Array(words.buffer, start, RESULT_WORD_COUNT);
  const top = Array.from({ length: topCount }, (_, rank) => ({
    id: ids[TOP_START + rank],
    logprob: values[TOP_START + TOP_LOGPROB_COUNT_MAX + rank],
  }));
  return { id: ids[0], logprob: values[1], top };
}

/** Log-probabilities of given tokens and of the most likely ones. */
export class TokenLogprobsKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for rows of `vocabSize` logits, at least 20. */
  static async create(
    gpu: Gpu,
    options: { vocabSize: number; workgroupSize?: number },
  ): Promise<TokenLogprobsKernel> {
    const constants = {
      VOCAB_SIZE: options.vocabSize,
      WORKGROUP_SIZE: options.workgroupSize ?? rowWorkgroupSize("token_logprobs", gpu.facts),
    };
    const code = [source, RESULT_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "token_logprobs", code, constants });
    return new TokenLogprobsKernel(kernel);
  }

  /** Binds buffers. */
  bind({ logits, wanted, ids, results }: TokenLogprobsBuffers): GPUBindGroup {
    return this.#kernel.bind({ logits, wanted, ids, results });
  }

  /** Encodes the first `count` results. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, count: number): void {
    this.#kernel.dispatch(pass, bound, count);
  }
}
