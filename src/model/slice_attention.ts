import type { Row } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT, divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import { AttentionPrefillKernel } from "../kernels/attention_prefill/raw.ts";
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
  /** u32 `[1]`: rows of the slice. */
  sliceInfo: GPUBuffer;
  sealed: BlockReader;
  window: AttentionPrefillKernel;
  /** By layer. */
  boundWindow: readonly GPUBindGroup[];
  merge: AttentionMergeKernel;
  boundMerge: GPUBindGroup;
}

/** Attention of the rows of a slice: every loaded value serves many of them. */
export class SliceAttention implements Attention {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a profile and binds every layer of a cache. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<SliceAttention> {
    const { shape, cache, group, readers } = options;
    const { blockCountMax } = cache.shape;
    const rowCount = group.rowCountMax;
    const { bindingSizeMax } = gpu.facts;
    const splits = splitShape(blockCountMax, { shape, rowCount, bindingSizeMax });
    const partials = createPartials(gpu, options, splits);
    const sliceInfo = gpu.createBuffer("slice rows", WORD_SIZE_BYTES);
    const { q, rows, attended: out } = group;
    const slice = sliceInfo;
    const sealed = await readers.slice({ shape, splits, cache, q, rows, partials, slice });
    const window = await AttentionPrefillKernel.create(gpu, {
      shape,
      splits,
      source: "window",
    });
    const boundWindow = boundByLayer(
      cache,
      (tiles) => window.bind({ q, rows, slice, tiles, partials }),
    );
    const merge = await AttentionMergeKernel.create(gpu, { shape, splits });
    const boundMerge = merge.bind({ rows, partials, out });
    return new SliceAttention(gpu, {
      partials,
      sliceInfo,
      sealed,
      window,
      boundWindow,
      merge,
      boundMerge,
    });
  }

  record(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { sealed, window, boundWindow, merge, boundMerge, sliceInfo } = this.#parts;
    const rowCount = rows.length;
    const { position, listCount, firstWindowBlock } = rows[rowCount - 1];
    if (layer === 0) this.#gpu.write(sliceInfo, 0, Uint32Array.of(rowCount));
    sealed.record(pass, layer, { rowCount, listCount });
    const splitCount = divCeil(position + 1, BLOCK_TOKEN_COUNT) - firstWindowBlock;
    window.record(pass, boundWindow[layer], { rowCount, splitCount });
    merge.record(pass, boundMerge, rowCount);
  }

  destroy(): void {
    const { sealed, partials, sliceInfo } = this.#parts;
    sealed.destroy();
    for (const buffer of [partials, sliceInfo]) this.#gpu.destroyBuffer(buffer);
  }
}
