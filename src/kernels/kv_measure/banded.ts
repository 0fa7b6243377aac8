import source from "../../../shaders/kv_measure/banded.wgsl" with { type: "text" };
import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { BAND_CHOICE_TEXT } from "../text/banded.ts";
import { SCRATCH_TEXT } from "../text/block.ts";

/** Buffers of {@link KvMeasureBandedKernel}; scratch as in `codec/scratch.ts`. */
export interface KvMeasureBandedBuffers {
  /** vec4<u32> `[jobs]`, as `kv_quantise/banded` read them. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all layers. */
  codes: GPUBuffer | BufferSlice;
  /** Packed order of all layers. */
  order: GPUBuffer | BufferSlice;
  /** `packerWords` of all layers. */
  bands: GPUBuffer | BufferSlice;
  /** u32 `[jobs][layer][layout.sectionCount]`: payload words of each section; written. */
  sizes: GPUBuffer | BufferSlice;
}

/**
 * Measures what blocks will take as banded records. The record of a layer has
 * `layout.recordWords(sum of its sizes, hasSinks)` words.
 */
export class KvMeasureBandedKernel {
  #kernel: Kernel;
  #grid: { sectionCount: number; layerCount: number };

  private constructor(
    kernel: Kernel,
    grid: { sectionCount: number; layerCount: number },
  ) {
    this.#kernel = kernel;
    this.#grid = grid;
  }

  /** Compiles for all layers of a model. */
  static async create(
    gpu: Gpu,
    options: { layout: BandedLayout; layerCount: number },
  ): Promise<KvMeasureBandedKernel> {
    const { layerCount, layout: { sectionCount } } = options;
    const constants = { SECTION_COUNT: sectionCount, LAYER_COUNT: layerCount };
    const code = [source, BAND_CHOICE_TEXT, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_measure/banded", code, constants });
    return new KvMeasureBandedKernel(kernel, { sectionCount, layerCount });
  }

  /** Binds buffers. */
  bind({ jobs, codes, order, bands, sizes }: KvMeasureBandedBuffers): GPUBindGroup {
    return this.#kernel.bind({ jobs, codes, order, bands, sizes });
  }

  /** Records all layers of `jobCount` jobs. */
  record(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#grid.sectionCount, this.#grid.layerCount, jobCount);
  }
}
