/** Kernels of which each KV head of each row is a workgroup. */

import type { BufferSlice } from "../gpu/gpu.ts";
import type { Kernel } from "../gpu/kernel.ts";

/** A compiled kernel, whose `Buffers` have the names that its shader has for them. */
export abstract class HeadRowsKernel<
  Buffers extends { [Name in keyof Buffers]: GPUBuffer | BufferSlice },
> {
  readonly #kernel: Kernel;
  readonly #kvHeadCount: number;

  protected constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Binds buffers. */
  bind(buffers: Buffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#kvHeadCount, rowCount);
  }
}
