import source from "../../../shaders/block_scores/parts.wgsl" with { type: "text" };
import { divExact } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import { type AttentionShape, querySize, type SplitShape } from "../text/attention.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { HeadRowsKernel } from "../head_rows.ts";
import { ROW_TEXT } from "../text/row.ts";

/** Buffers of one use of {@link BlockPartsKernel}. */
export interface BlockPartsBuffers {
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][listCountMax][2]`: m and l of each block. */
  parts: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][channels + 2]`, those of the window's tiles at least. */
  partials: GPUBuffer | BufferSlice;
  /** f32 `[rows][kvHeadCount][listCountMax]`. */
  scores: GPUBuffer | BufferSlice;
}

/** Scores blocks by the attention that they get, from what their tokens weigh. */
export class BlockPartsKernel extends HeadRowsKernel<BlockPartsBuffers> {
  /** Compiles for one shape and its splits; `listCountMax`: entries that scores have room for. */
  static async create(
    gpu: Gpu,
    { shape, splits, listCountMax }: {
      shape: AttentionShape;
      splits: SplitShape;
      listCountMax: number;
    },
  ): Promise<BlockPartsKernel> {
    const { kvHeadCount, queryHeadCount } = shape;
    const constants = constantLines({
      ...BLOCK_CONSTANTS,
      KV_HEAD_COUNT: kvHeadCount,
      QUERY_HEAD_COUNT: queryHeadCount,
      GROUP_SIZE: divExact(queryHeadCount, kvHeadCount),
      BLOCKS_PER_SPLIT: splits.blocksPerSplit,
      SPLIT_COUNT_MAX: splits.splitCountMax,
      PARTIAL_PAIRS: divExact(querySize(shape) + 2, 2),
      LIST_MAX: listCountMax,
    });
    const code = [source, constants, ROW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_scores/parts", code });
    return new BlockPartsKernel(kernel, kvHeadCount);
  }
}
