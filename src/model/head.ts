import { alignUp, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import type { BoundMatmul, Matmul, MatmulOutput } from "../kernels/matmul/product.ts";
import { ROW_TILE } from "../kernels/matmul/row_counts.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { ModelWeights } from "./weights.ts";

/** The output head over some rows: final norm and projection to the vocabulary. */
export class Head {
  /** f32 `[rows, vocabSize]`. */
  readonly logits: GPUBuffer;
  #gpu: Gpu;
  #kernel: Matmul;
  #bound: BoundMatmul;
  #ownsLogits: boolean;

  private constructor(
    gpu: Gpu,
    parts: { kernel: Matmul; bound: BoundMatmul; logits: GPUBuffer; ownsLogits: boolean },
  ) {
    this.#gpu = gpu;
    this.#ownsLogits = parts.ownsLogits;
    this.#kernel = parts.kernel;
    this.#bound = parts.bound;
    this.logits = parts.logits;
  }

  /**
   * Makes room for the logits of up to `rowCount` rows of `x`, f32 `[rows, width]`.
   *
   * @param options `logits`: where they go, if there is room already.
   */
  static async create(
    gpu: Gpu,
    options: {
      weights: ModelWeights;
      matmuls: MatmulSet;
      x: GPUBuffer | BufferSlice;
      rowCount: number;
      /** Logits become `softCap * tanh(logit / softCap)`; not if null. */
      softCap: number | null;
      logits?: GPUBuffer;
    },
  ): Promise<Head> {
    const { weights, matmuls, x, rowCount, softCap } = options;
    const output: MatmulOutput = softCap === null
      ? { kind: "store" }
      : { kind: "capped", cap: softCap };
    const kernel = await matmuls.get(weights.head, output, { hasNorm: true });
    const rowCountMax = alignUp(rowCount, ROW_TILE);
    const sizeBytes = rowCountMax * weights.head.rowCount * WORD_SIZE_BYTES;
    const logits = options.logits ?? gpu.createBuffer("logits", sizeBytes);
    const { head, outputNorm: normWeight } = weights;
    const bound = kernel.bind({ weights: head, x, normWeight, y: logits });
    return new Head(gpu, { kernel, bound, logits, ownsLogits: options.logits === undefined });
  }

  /** Encodes the logits of the first `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, rowCount: number): void {
    this.#kernel.encode(pass, this.#bound, rowCount);
  }

  /** Frees the logits, if they were made here. */
  destroy(): void {
    if (this.#ownsLogits) this.#gpu.destroyBuffer(this.logits);
  }
}
