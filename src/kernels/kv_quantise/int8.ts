import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import scale from "../../../shaders/lib/kv_scale.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/int8.wgsl" with { type: "text" };
import type { Int8Layout } from "../../codec/int8/layout.ts";
import { invariant } from "../../core/errors.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { INT8_TEXT } from "../text/int8.ts";

/** Buffers of one store of {@link KvQuantiseInt8Kernel}. */
export interface KvQuantiseInt8Buffers {
  /** vec4<u32> `[jobs]`: slot, tile, unused, unused. */
  jobs: GPUBuffer | BufferSlice;
  /** Raw window of the store: u32 `[slot][tileCount][tileWords]`. */
  window: GPUBuffer | BufferSlice;
  /** u32 `[jobs][storeCount][layout.recordWords]`: whole records; written. */
  records: GPUBuffer | BufferSlice;
  /** u32 `[jobs]`, cleared by the caller before; set for a block with infinity or NaN. */
  flags: GPUBuffer | BufferSlice;
}

/** Makes int8 records of raw tiles of one store. FORMAT.md section 8. */
export class KvQuantiseInt8Kernel {
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
    options: { layout: Int8Layout; storeCount: number; tileCount?: number },
  ): Promise<KvQuantiseInt8Kernel> {
    const { layout, storeCount, tileCount = WINDOW_TILE_COUNT } = options;
    const { kvHeadCount, headSize, sectionCount, sectionWords } = layout;
    const constants = {
      KV_HEAD_COUNT: kvHeadCount,
      HEAD_SIZE: headSize,
      STORE_COUNT: storeCount,
      TILE_COUNT: tileCount,
      SECTION_WORDS: sectionWords,
    };
    const code = [source, rawTile, scale, INT8_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_quantise/int8", code, constants });
    return new KvQuantiseInt8Kernel(kernel, { sectionCount, storeCount });
  }

  /** Binds the buffers for one store. */
  bind(buffers: KvQuantiseInt8Buffers, store: number): GPUBindGroup {
    invariant(store >= 0 && store < this.#storeCount, "store is one of those that seal");
    const { jobs, window, records, flags } = buffers;
    const storeIndex = this.#kernel.own(this.#kernel.gpu.createBufferWith(
      "kv_quantise/int8 store",
      Uint32Array.of(store),
    ));
    return this.#kernel.bind({ jobs, window, store_index: storeIndex, records, flags });
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
