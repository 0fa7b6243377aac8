import source from "../../../shaders/block_summary/clusters.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import {
  type BlockSummaryBuffers,
  type BlockSummaryOptions,
  summarySourceText,
} from "./sources.ts";

/** Keeps the means of two clusters of keys. */
export class BlockSummaryClustersKernel {
  #kernel: Kernel;
  #kvHeadCount: number;

  private constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape and source. */
  static async create(gpu: Gpu, options: BlockSummaryOptions): Promise<BlockSummaryClustersKernel> {
    const { shape: { kvHeadCount }, source: tiles } = options;
    const code = [source, summarySourceText(options)].join("\n");
    const kernel = await Kernel.create(gpu, { label: `block_summary/clusters ${tiles}`, code });
    return new BlockSummaryClustersKernel(kernel, kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: BlockSummaryBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `blockCount` blocks: those of the list of row 0. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, blockCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#kvHeadCount, blockCount);
  }
}
