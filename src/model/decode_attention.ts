import type { Row } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT, divCeil } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AttentionDecodeRawKernel } from "../kernels/attention_decode/raw.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import type { BlockReader } from "../kvcache/block_reader.ts";
import {
  type AttentionOptions,
  boundByLayer,
  createPartials,
  splitShape,
} from "./attention_splits.ts";
import type { Attention } from "./layer_stack.ts";

interface Parts {
  partials: GPUBuffer;
  sealed: BlockReader;
  window: AttentionDecodeRawKernel;
  /** By layer. */
  boundWindow: readonly GPUBindGroup[];
  merge: AttentionMergeKernel;
  boundMerge: GPUBindGroup;
}

/** Attention of single rows: sealed blocks and window tiles in splits, then merged. */
export class DecodeAttention implements Attention {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a cache and binds every layer of it. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<DecodeAttention> {
    const { shape, cache, group, readers } = options;
    const { q, rows, attended: out } = group;
    const { blockCountMax } = cache.shape;
    const { bindingSizeMax } = gpu.facts;
    const rowCount = group.rowCountMax;
    const splits = splitShape(blockCountMax, { shape, rowCount, bindingSizeMax });
    const partials = createPartials(gpu, options, splits);
    const sealed = await readers.decode({ shape, splits, cache, q, rows, partials });
    const window = await AttentionDecodeRawKernel.create(gpu, {
      shape,
      splits,
      source: "window",
    });
    const merge = await AttentionMergeKernel.create(gpu, { shape, splits });
    return new DecodeAttention(gpu, {
      partials,
      sealed,
      window,
      boundWindow: boundByLayer(cache, (tiles) => window.bind({ q, rows, tiles, partials })),
      merge,
      boundMerge: merge.bind({ rows, partials, out }),
    });
  }

  record(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { sealed, window, boundWindow, merge, boundMerge } = this.#parts;
    const rowCount = rows.length;
    const listCount = Math.max(...rows.map((row) => row.listCount));
    sealed.record(pass, layer, { rowCount, listCount });
    const windowTiles = rows.map(({ position, firstWindowBlock }) =>
      divCeil(position + 1, BLOCK_TOKEN_COUNT) - firstWindowBlock
    );
    const splitCount = Math.max(...windowTiles);
    window.record(pass, boundWindow[layer], { rowCount, splitCount });
    merge.record(pass, boundMerge, rowCount);
  }

  destroy(): void {
    this.#parts.sealed.destroy();
    this.#gpu.destroyBuffer(this.#parts.partials);
  }
}
