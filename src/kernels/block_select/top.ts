import source from "../../../shaders/block_select/top.wgsl" with { type: "text" };
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import { HeadRowsKernel } from "../head_rows.ts";
import { ROW_TEXT } from "../text/row.ts";

/** Buffers of one use of {@link BlockSelectKernel}. */
export interface BlockSelectBuffers {
  /** u32 `[rows][ROW_WORDS]`: what the rows may read. */
  rows: GPUBuffer | BufferSlice;
  /**
   * The same for attention: `listCount` at most that of `rows`, `listStart` in `lists`, and
   * `listStride`.
   */
  chosen: GPUBuffer | BufferSlice;
  /** Read lists of the store. */
  directory: GPUBuffer | BufferSlice;
  /** f32 `[rows][kvHeadCount][listCountMax]`. */
  scores: GPUBuffer | BufferSlice;
  /** u32 `[rows][kvHeadCount][listCountMax][ENTRY_WORDS]`: what attention reads. */
  lists: GPUBuffer | BufferSlice;
}

/** Makes a read list for each row and KV head of the records with the largest scores. */
export class BlockSelectKernel extends HeadRowsKernel<BlockSelectBuffers> {
  /** Compiles for one shape. */
  static async create(
    gpu: Gpu,
    { kvHeadCount, listCountMax }: { kvHeadCount: number; listCountMax: number },
  ): Promise<BlockSelectKernel> {
    const constants = constantLines({ KV_HEAD_COUNT: kvHeadCount, LIST_MAX: listCountMax });
    const code = [source, constants, ROW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_select", code });
    return new BlockSelectKernel(kernel, kvHeadCount);
  }
}
