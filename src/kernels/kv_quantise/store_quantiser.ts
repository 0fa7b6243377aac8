/**
 * What the kernels that quantise raw tiles share: each is bound to one store at a time.
 *
 * @module
 */

import { invariant } from "../../core/errors.ts";
import type { BufferSlice } from "../../gpu/gpu.ts";
import type { Kernel } from "../../gpu/kernel.ts";

/** Buffers of one store, of every kernel that quantises. */
export interface StoreQuantiserBuffers {
  /** vec4<u32> `[jobs]`: slot, tile, and what the codec has behind them. */
  jobs: GPUBuffer | BufferSlice;
  /** Raw window of the store: u32 `[slot][tileCount][tileWords]`. */
  window: GPUBuffer | BufferSlice;
  /** u32 `[jobs]`, cleared by the caller before; set for a block with infinity or NaN. */
  flags: GPUBuffer | BufferSlice;
}

/** The same of kernels that make whole records. */
export interface RecordQuantiserBuffers extends StoreQuantiserBuffers {
  /** u32 `[jobs][storeCount][words]`, room for a whole record each; written, what it has. */
  records: GPUBuffer | BufferSlice;
}

/** A compiled kernel for all stores that seal. */
export abstract class StoreQuantiser {
  protected readonly kernel: Kernel;
  readonly #storeCount: number;
  readonly #groupCount: number;

  /** `groupCount`: workgroups of a job. */
  protected constructor(
    kernel: Kernel,
    { storeCount, groupCount }: { storeCount: number; groupCount: number },
  ) {
    this.kernel = kernel;
    this.#storeCount = storeCount;
    this.#groupCount = groupCount;
  }

  /** Encodes one store of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.kernel.dispatch(pass, bound, this.#groupCount, jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.kernel.destroy();
  }

  /** Checks which store is bound. */
  protected requireStore(store: number): void {
    invariant(store >= 0 && store < this.#storeCount, "store is one of those that seal");
  }

  /** A buffer of its own that holds which store is bound, and `more` behind it. */
  protected storeBuffer(label: string, store: number, ...more: number[]): GPUBuffer {
    this.requireStore(store);
    const words = Uint32Array.of(store, ...more);
    return this.kernel.own(this.kernel.gpu.createBufferWith(label, words));
  }
}
