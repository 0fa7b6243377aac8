/** The dispatch of kernels that unpack both sides of records at once. */

import type { Kernel } from "../../gpu/kernel.ts";

/** A compiled kernel with a workgroup for each section of each block. */
export abstract class SectionUnpacker {
  protected readonly kernel: Kernel;
  readonly #sectionCount: number;

  protected constructor(kernel: Kernel, { sectionCount }: { sectionCount: number }) {
    this.kernel = kernel;
    this.#sectionCount = sectionCount;
  }

  /** Encodes the first `blockCount` blocks of the segment; those not sealed are left out. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, blockCount: number): void {
    this.kernel.dispatch(pass, bound, this.#sectionCount, blockCount);
  }
}
