import range from "../../../shaders/lib/kv_pack_range.wgsl" with { type: "text" };
import source from "../../../shaders/kv_measure/paper.wgsl" with { type: "text" };
import type { PaperLayout } from "../../codec/paper/layout.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";

/** Buffers of {@link KvMeasurePaperKernel}; scratch as in `codec/scratch.ts`. */
export interface KvMeasureBuffers {
  /** vec4<u32> `[jobs]`, as `kv_quantise` read them. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** Packed order of all stores. */
  order: GPUBuffer | BufferSlice;
  /** Payload words of each section of all stores; written. */
  sizes: GPUBuffer | BufferSlice;
}

/**
 * Measures what blocks will take when packed. The record of a store has
 * `layout.recordWords(sum of its sizes)` words.
 */
export class KvMeasurePaperKernel {
  #kernel: Kernel;
  #grid: { sectionCount: number; storeCount: number };

  private constructor(
    kernel: Kernel,
    grid: { sectionCount: number; storeCount: number },
  ) {
    this.#kernel = kernel;
    this.#grid = grid;
  }

  /** Compiles for all stores that seal. */
  static async create(
    gpu: Gpu,
    options: { layout: PaperLayout; storeCount: number },
  ): Promise<KvMeasurePaperKernel> {
    const { layout, storeCount } = options;
    const constants = {
      ...scratchConstants(layout, storeCount),
      PACK_SIZE: layout.packSize,
    };
    const code = [source, range, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_measure/paper", code, constants });
    return new KvMeasurePaperKernel(kernel, {
      sectionCount: layout.sectionCount,
      storeCount,
    });
  }

  /** Binds buffers. */
  bind({ jobs, codes, order, sizes }: KvMeasureBuffers): GPUBindGroup {
    return this.#kernel.bind({ jobs, codes, order, sizes });
  }

  /** Encodes all stores of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#grid.sectionCount, this.#grid.storeCount, jobCount);
  }
}
