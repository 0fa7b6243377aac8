import source from "../../../shaders/block_summary/range.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import {
  type BlockSummaryBuffers,
  type BlockSummaryOptions,
  summarySourceText,
} from "./sources.ts";

/** Channels of a workgroup: 64 threads with eight each. */
const CHANNELS_AT_A_TIME = 512;

/** Keeps the least and the largest key of each channel. */
export class BlockSummaryRangeKernel {
  #kernel: Kernel;
  #groupCount: number;

  private constructor(kernel: Kernel, groupCount: number) {
    this.#kernel = kernel;
    this.#groupCount = groupCount;
  }

  /** Compiles for one shape and source. */
  static async create(gpu: Gpu, options: BlockSummaryOptions): Promise<BlockSummaryRangeKernel> {
    const { shape: { kvHeadCount, headSize }, source: tiles } = options;
    const code = [source, summarySourceText(options)].join("\n");
    const kernel = await Kernel.create(gpu, { label: `block_summary/range ${tiles}`, code });
    return new BlockSummaryRangeKernel(kernel, divCeil(kvHeadCount * headSize, CHANNELS_AT_A_TIME));
  }

  /** Binds buffers. */
  bind(buffers: BlockSummaryBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `blockCount` blocks: those of the list of row 0. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, blockCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#groupCount, blockCount);
  }
}
