import bandWord from "../../../shaders/lib/band_word.wgsl" with { type: "text" };
import source from "../../../shaders/kv_gather/banded.wgsl" with { type: "text" };
import { type BandedLayout, PLANE_WORDS, TOKEN_STEP_WORDS } from "../../codec/banded/layout.ts";
import { UNIT_TOKEN_COUNT } from "../../codec/banded/levels.ts";
import { readerStride } from "../../codec/banded/tables.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";
import { NO_RECORD } from "../../core/row.ts";
import { GATHER_WORDS, HEADER_WORDS } from "./gathers.ts";

/** Buffers of one arena of {@link KvGatherBandedKernel}; scratch as in `codec/scratch.ts`. */
export interface KvGatherBandedBuffers {
  /** `gatherWords`. */
  gathers: GPUBuffer | BufferSlice;
  /** Packed blocks. */
  arena: GPUBuffer | BufferSlice;
  /** `layerTableWords` of all stores. */
  bands: GPUBuffer | BufferSlice;
  /** `pointWords`. */
  points: GPUBuffer | BufferSlice;
  /** Codes of all stores; written. */
  codes: GPUBuffer | BufferSlice;
  /** Token steps of all stores; written. */
  params: GPUBuffer | BufferSlice;
  /** Sinks of all stores; written for gathers that have some. */
  sinks: GPUBuffer | BufferSlice;
  /** `keptChannelWords`. */
  keptChannels: GPUBuffer | BufferSlice;
}

const TEXT = constantsPart({
  PLANE_WORDS,
  TOKEN_STEP_WORDS,
  PACK_SIZE: UNIT_TOKEN_COUNT,
  GATHER_WORDS,
  HEADER_WORDS,
  NO_RECORD,
});

/** Puts codes of packed tokens into scratch as they are, for a block that is made of them. */
export class KvGatherBandedKernel {
  #kernel: Kernel;
  #sectionCount: number;

  private constructor(kernel: Kernel, sectionCount: number) {
    this.#kernel = kernel;
    this.#sectionCount = sectionCount;
  }

  /** Compiles for a layout. */
  static async create(
    gpu: Gpu,
    options: { layout: BandedLayout; storeCount: number },
  ): Promise<KvGatherBandedKernel> {
    const { layout, storeCount } = options;
    const constants = {
      ...scratchConstants(layout, storeCount),
      SINK_COUNT: layout.sinkCount,
      TABLE_WORDS: readerStride(layout.channelCount),
    };
    const code = [source, bandWord, SCRATCH_TEXT, TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_gather/banded", code, constants });
    return new KvGatherBandedKernel(kernel, layout.sectionCount);
  }

  /** Binds the buffers for the arena whose first store is `firstStore`. */
  bind(buffers: KvGatherBandedBuffers, firstStore: number): GPUBindGroup {
    const { gathers, arena, bands, points, codes, params, sinks, keptChannels } = buffers;
    const store = this.#kernel.ownUniform("store", firstStore);
    const scratch = { codes, params, sinks };
    const own = { bands, points, kept_channels: keptChannels };
    return this.#kernel.bind({ gathers, arena, ...own, ...scratch, first_store: store });
  }

  /** Encodes `jobCount` gathers of the `storeCount` stores of the bound arena. */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void {
    this.#kernel.dispatch(pass, bound, this.#sectionCount, counts.storeCount, counts.jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
