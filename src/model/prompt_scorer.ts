import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  LOGPROB_RESULT_SIZE_BYTES,
  type TokenLogprobsKernel,
} from "../kernels/token_logprobs/row.ts";
import { Head } from "./head.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { ModelWeights } from "./weights.ts";

/** Rows whose logits are held at a time: few, since a row is as long as the vocabulary. */
const CHUNK_ROW_COUNT = 16;

interface Chunk {
  head: Head;
  report: GPUBindGroup;
}

/** What a {@link PromptScorer} reads. */
export interface PromptScorerOptions {
  weights: ModelWeights;
  matmuls: MatmulSet;
  /** Of logits; null for none. */
  softCap: number | null;
  logprobs: TokenLogprobsKernel;
  /** f32 `[rowCountMax, width]`: rows of a slice after the last layer. */
  x: GPUBuffer;
  rowCountMax: number;
}

/** Log-probabilities of the tokens of a prompt, out of its slices. */
export class PromptScorer {
  /** u32 `[rowCountMax, 44]`. */
  readonly results: GPUBuffer;
  #gpu: Gpu;
  /** u32 `[rowCountMax]`. */
  #nextIds: GPUBuffer;
  #wanted: GPUBuffer;
  #logits: GPUBuffer;
  #chunks: Chunk[];

  private constructor(
    gpu: Gpu,
    parts: {
      results: GPUBuffer;
      nextIds: GPUBuffer;
      wanted: GPUBuffer;
      logits: GPUBuffer;
      chunks: Chunk[];
    },
  ) {
    this.#gpu = gpu;
    this.results = parts.results;
    this.#nextIds = parts.nextIds;
    this.#wanted = parts.wanted;
    this.#logits = parts.logits;
    this.#chunks = parts.chunks;
  }

  /** Makes room for the logits of a few rows and the results of all. */
  static async create(gpu: Gpu, options: PromptScorerOptions): Promise<PromptScorer> {
    const { weights, matmuls, softCap, logprobs, x, rowCountMax } = options;
    const vocabSize = weights.head.rowCount;
    const rowBytes = x.size / rowCountMax;
    const sizeBytes = CHUNK_ROW_COUNT * vocabSize * WORD_SIZE_BYTES;
    const logits = gpu.createBuffer("prompt logits", sizeBytes);
    const results = gpu.createBuffer(
      "prompt log-probabilities",
      rowCountMax * LOGPROB_RESULT_SIZE_BYTES,
    );
    // A binding begins at a multiple of 256 bytes, so each chunk's rows have a place of that size.
    const wanted = gpu.createBuffer("scored rows", rowCountMax * 4 * WORD_SIZE_BYTES);
    const nextIds = gpu.createBuffer("next ids", rowCountMax * WORD_SIZE_BYTES);
    const chunks: Chunk[] = [];
    for (let row = 0; row < rowCountMax; row += CHUNK_ROW_COUNT) {
      const part = (buffer: GPUBuffer, bytesPerRow: number) => {
        return { buffer, offset: row * bytesPerRow, size: CHUNK_ROW_COUNT * bytesPerRow };
      };
      const own = { x: part(x, rowBytes), rowCount: CHUNK_ROW_COUNT, logits };
      const chunk = { weights, matmuls, softCap, ...own };
      chunks.push({
        head: await Head.create(gpu, chunk),
        report: logprobs.bind({
          logits,
          ids: nextIds,
          wanted: part(wanted, 4 * WORD_SIZE_BYTES),
          results: part(results, LOGPROB_RESULT_SIZE_BYTES),
        }),
      });
    }
    return new PromptScorer(gpu, { results, nextIds, wanted, logits, chunks });
  }

  /**
   * Encodes the log-probability of the token that follows each of the first rows.
   *
   * @param options `nextIds`: these tokens. `topCount`: alternatives to find for each.
   */
  encode(
    pass: GPUComputePassEncoder,
    options: { nextIds: readonly number[]; topCount: number; logprobs: TokenLogprobsKernel },
  ): void {
    const { nextIds, topCount, logprobs } = options;
    const rowCount = nextIds.length;
    const words = nextIds.map((_, row) => [row % CHUNK_ROW_COUNT, row, topCount, 0]);
    this.#gpu.write(this.#nextIds, 0, Uint32Array.from(nextIds));
    this.#gpu.write(this.#wanted, 0, Uint32Array.from(words.flat()));
    for (let row = 0; row < rowCount; row += CHUNK_ROW_COUNT) {
      const { head, report } = this.#chunks[row / CHUNK_ROW_COUNT];
      const count = Math.min(CHUNK_ROW_COUNT, rowCount - row);
      head.encode(pass, count);
      logprobs.encode(pass, report, count);
    }
  }

  /** Frees its buffers. */
  destroy(): void {
    for (const buffer of [this.results, this.#nextIds, this.#wanted, this.#logits]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}
