import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { invariant } from "../../core/errors.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { xquantConstants } from "../text/xquant.ts";

/** Buffers of one store of {@link KvQuantiseXquantKernel}. */
export interface KvQuantiseXquantBuffers {
  /** vec4<u32> `[jobs]`: slot, tile, unused, unused. */
  jobs: GPUBuffer | BufferSlice;
  /** Raw window of the store: u32 `[slot][tileCount][tileWords]`. */
  window: GPUBuffer | BufferSlice;
  /** u32 `[jobs][storeCount][layout.ownWords]`: whole records; written, but codes it has none. */
  records: GPUBuffer | BufferSlice;
  /** u32 `[jobs]`, cleared by the caller before; set for a block with infinity or NaN. */
  flags: GPUBuffer | BufferSlice;
}

/** Makes XQuant records of raw tiles of one store. FORMAT.md section 10. */
export class KvQuantiseXquantKernel {
  #kernel: Kernel;
  #sectionCount: number;
  #storeCount: number;

  private constructor(
    kernel: Kernel,
    grid: { sectionCount: number; storeCount: number },
  ) {
    this.#kernel = kernel;
    this.#sectionCount = grid.sectionCount;
    this.#storeCount = grid.storeCount;
  }

  /** Compiles for all stores that seal. */
  static async create(
    gpu: Gpu,
    options: { layout: XquantLayout; storeCount: number; tileCount?: number },
  ): Promise<KvQuantiseXquantKernel> {
    const { layout, storeCount, tileCount = WINDOW_TILE_COUNT } = options;
    const constants = constantsPart({
      ...xquantConstants(layout),
      STORE_COUNT: storeCount,
      TILE_COUNT: tileCount,
    });
    const code = [source, rawTile, constants].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_quantise/xquant", code });
    return new KvQuantiseXquantKernel(kernel, { sectionCount: layout.sectionCount, storeCount });
  }

  /** Binds the buffers for one store, whose records have codes of their own or not. */
  bind(
    buffers: KvQuantiseXquantBuffers,
    { store, hasCodes }: { store: number; hasCodes: boolean },
  ): GPUBindGroup {
    invariant(store >= 0 && store < this.#storeCount, "store is one of those that seal");
    const { jobs, window, records, flags } = buffers;
    const place = this.#kernel.own(this.#kernel.gpu.createBufferWith(
      "kv_quantise/xquant place",
      Uint32Array.of(store, hasCodes ? 1 : 0),
    ));
    return this.#kernel.bind({ jobs, window, place, records, flags });
  }

  /** Encodes one store of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#sectionCount, jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
