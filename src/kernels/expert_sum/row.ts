import source from "../../../shaders/expert_sum/row.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";

/** What an {@link ExpertSumKernel} is compiled for. */
export interface ExpertSumOptions {
  /** Columns of x; a multiple of 4. */
  width: number;
  /** Experts that a row goes through. */
  usedCount: number;
  /** Factor of the sum; 1 if left out. */
  factor?: number;
}

/** Buffers of one use of an {@link ExpertSumKernel}. */
export interface ExpertSumBuffers {
  /** f32 `[rows, usedCount, width]`. */
  given: GPUBuffer | BufferSlice;
  /** f32 `[rows, usedCount]`. */
  shares: GPUBuffer | BufferSlice;
  /** f32 `[rows, width]`. */
  x: GPUBuffer | BufferSlice;
}

/** Columns of one workgroup. */
const GROUP_COLUMN_COUNT = 4 * 64;

/** `x += factor * sum of shares * given` over the experts of each row. */
export class ExpertSumKernel {
  #kernel: Kernel;
  #groupCount: number;

  private constructor(kernel: Kernel, groupCount: number) {
    this.#kernel = kernel;
    this.#groupCount = groupCount;
  }

  /** Compiles for one width. */
  static async create(gpu: Gpu, options: ExpertSumOptions): Promise<ExpertSumKernel> {
    const { width, usedCount, factor = 1 } = options;
    const constants = { COLUMN_COUNT: width, USED_COUNT: usedCount, FACTOR: factor };
    const kernel = await Kernel.create(gpu, { label: "expert_sum", code: source, constants });
    return new ExpertSumKernel(kernel, divCeil(width, GROUP_COLUMN_COUNT));
  }

  /** Binds buffers. */
  bind({ given, shares, x }: ExpertSumBuffers): GPUBindGroup {
    return this.#kernel.bind({ given, shares, x });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#groupCount, rowCount);
  }
}
