/**
 * What the kernels of attention of single rows share: what they are compiled for and bind, and how
 * they are dispatched.
 *
 * @module
 */

import type { HeadShape } from "../../codec/raw_tile.ts";
import { invariant } from "../../core/errors.ts";
import type { BufferSlice } from "../../gpu/gpu.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { AttentionShape, SplitShape } from "../text/attention.ts";

/** What a kernel over records is compiled for. */
export interface RecordAttentionOptions<Layout extends HeadShape> {
  shape: AttentionShape;
  splits: SplitShape;
  /** Layout of the records; its heads are those of `shape`. */
  layout: Layout;
}

/** Buffers of one use of a kernel over records. */
export interface RecordAttentionBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** Arena of the layer's group: records. */
  arena: GPUBuffer | BufferSlice;
  /** u32 `[entries][ENTRY_WORDS]`: read lists of records in the arena. */
  directory: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
}

/** Checks that records have the heads that attention is compiled for. */
export function requireHeads({ shape, layout }: RecordAttentionOptions<HeadShape>): void {
  invariant(layout.kvHeadCount === shape.kvHeadCount, "the layout has the shape's KV heads");
  invariant(layout.headSize === shape.headSize, "the layout has the shape's head size");
}

/** A compiled kernel with a workgroup for each KV head, split and row. */
export abstract class RowAttention {
  protected readonly kernel: Kernel;
  readonly #kvHeadCount: number;

  protected constructor(kernel: Kernel, { kvHeadCount }: AttentionShape) {
    this.kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /**
   * Encodes `rowCount` rows.
   *
   * @param splitCount Most splits of a row: of its sealed blocks, or tiles of its window.
   */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    { rowCount, splitCount }: { rowCount: number; splitCount: number },
  ): void {
    if (splitCount === 0) return;
    this.kernel.dispatch(pass, bound, this.#kvHeadCount, splitCount, rowCount);
  }
}
