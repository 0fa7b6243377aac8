import source from "../../../shaders/kv_measure/banded.wgsl" with { type: "text" };
import { type BandedLayout, PLANE_WORDS } from "../../codec/banded/layout.ts";
import { readerStride } from "../../codec/banded/tables.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { BAND_CHOICE_TEXT, SECTION_TEXT } from "../text/banded.ts";
import { SCRATCH_TEXT } from "../text/block.ts";

/** Buffers of {@link KvMeasureBandedKernel}; scratch as in `codec/scratch.ts`. */
export interface KvMeasureBandedBuffers {
  /** u32 `[jobs][store]`: tokens that are packed, sinks not among them. */
  packedCounts: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** `layerTableWords` of all stores. */
  bands: GPUBuffer | BufferSlice;
  /** `pointWords`. */
  points: GPUBuffer | BufferSlice;
  /** u32 `[jobs][store][layout.sectionCount]`: `sectionSize` of each section; written. */
  sizes: GPUBuffer | BufferSlice;
}

/**
 * Measures what blocks will take as banded records. The record of a store has
 * `layout.recordWords(sum of extraWords() of its sizes, hasSinks)` words.
 */
export class KvMeasureBandedKernel {
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
    options: { layout: BandedLayout; storeCount: number },
  ): Promise<KvMeasureBandedKernel> {
    const { storeCount, layout: { sectionCount, channelCount } } = options;
    const constants = {
      SECTION_COUNT: sectionCount,
      STORE_COUNT: storeCount,
      TABLE_WORDS: readerStride(channelCount),
    };
    const planes = constantsPart({ PLANE_WORDS });
    const code = [source, BAND_CHOICE_TEXT, SECTION_TEXT, SCRATCH_TEXT, planes].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_measure/banded", code, constants });
    return new KvMeasureBandedKernel(kernel, { sectionCount, storeCount });
  }

  /** Binds buffers. */
  bind({ packedCounts, codes, bands, points, sizes }: KvMeasureBandedBuffers): GPUBindGroup {
    return this.#kernel.bind({ packed_counts: packedCounts, codes, bands, points, sizes });
  }

  /** Encodes all stores of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#grid.sectionCount, this.#grid.storeCount, jobCount);
  }
}
