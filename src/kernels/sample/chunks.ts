import candidatesSource from "../../../shaders/sample/parts/chunk_candidates.wgsl" with {
  type: "text",
};
import topsSource from "../../../shaders/sample/parts/chunk_tops.wgsl" with { type: "text" };
import chunksText from "../../../shaders/lib/sample_chunks.wgsl" with { type: "text" };
import source from "../../../shaders/sample/chunks.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import { divCeil, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import {
  type BoundSample,
  SAMPLE_COMMON_TEXT,
  SAMPLE_DRAW_TEXT,
  type SampleBuffers,
  type TokenSampler,
} from "./sampling.ts";

/** Tokens of a chunk, and those of them that there is room for: lib/sample_chunks.wgsl. */
const [CHUNK_TOKEN_COUNT, SLOT_COUNT] = [2048, 128];

/** Words of what a chunk leaves: its top; its top again, masses and a count. */
const [TOP_WORDS, CHUNK_WORDS] = [2, 5];

/** Threads of each workgroup; a row has at most as many chunks. */
const THREAD_COUNT = 256;

/** Most tokens of a vocabulary. */
export const CHUNKS_VOCAB_SIZE_MAX = CHUNK_TOKEN_COUNT * THREAD_COUNT;

/** Chooses a token for each row of logits in stages that fill a GPU; see the shader. */
export class SampleChunksKernel implements TokenSampler {
  #gpu: Gpu;
  #chunkCount: number;
  #kernels: { tops: Kernel; candidates: Kernel; draw: Kernel };

  private constructor(
    gpu: Gpu,
    chunkCount: number,
    kernels: { tops: Kernel; candidates: Kernel; draw: Kernel },
  ) {
    this.#gpu = gpu;
    this.#chunkCount = chunkCount;
    this.#kernels = kernels;
  }

  /** Compiles for rows of `vocabSize` logits. */
  static async create(gpu: Gpu, { vocabSize }: { vocabSize: number }): Promise<SampleChunksKernel> {
    invariant(vocabSize <= CHUNKS_VOCAB_SIZE_MAX, "a row has no more chunks than threads");
    const constants = { VOCAB_SIZE: vocabSize, WORKGROUP_SIZE: THREAD_COUNT };
    const compile = (name: string, ...texts: string[]) => {
      const code = [...texts, chunksText].join("\n");
      return Kernel.create(gpu, { label: `sample ${name}`, code, constants });
    };
    return new SampleChunksKernel(gpu, divCeil(vocabSize, CHUNK_TOKEN_COUNT), {
      tops: await compile("tops", topsSource, SAMPLE_COMMON_TEXT),
      candidates: await compile("candidates", candidatesSource, SAMPLE_COMMON_TEXT),
      draw: await compile("draw", source, SAMPLE_DRAW_TEXT),
    });
  }

  bind({ logits, rows, settings, ids }: SampleBuffers, rowCountMax: number): BoundSample {
    const make = (name: string, wordsPerChunk: number) =>
      this.#gpu.createBuffer(
        `sample ${name}`,
        rowCountMax * this.#chunkCount * wordsPerChunk * WORD_SIZE_BYTES,
      );
    const tops = make("tops", TOP_WORDS);
    const chunks = make("chunks", CHUNK_WORDS);
    const candidates = make("candidates", 2 * SLOT_COUNT);
    const common = { logits, rows, settings_of: settings };
    const kernels = this.#kernels;
    return {
      groups: [
        kernels.tops.bind({ logits, tops }),
        kernels.candidates.bind({ ...common, tops, chunks, candidates }),
        kernels.draw.bind({ ...common, logits_by_4: logits, ids, chunks, candidates }),
      ],
      scratch: [tops, chunks, candidates],
    };
  }

  encode(pass: GPUComputePassEncoder, { groups }: BoundSample, rowCount: number): void {
    const { tops, candidates, draw } = this.#kernels;
    tops.dispatch(pass, groups[0], this.#chunkCount, rowCount);
    candidates.dispatch(pass, groups[1], this.#chunkCount, rowCount);
    draw.dispatch(pass, groups[2], rowCount);
  }
}
