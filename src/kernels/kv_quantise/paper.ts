import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import scale from "../../../shaders/lib/kv_scale.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/paper.wgsl" with { type: "text" };
import { codeBits, type PaperLayout } from "../../codec/paper/layout.ts";
import { invariant } from "../../core/errors.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";
import { StoreQuantiser, type StoreQuantiserBuffers } from "./store_quantiser.ts";

/** Buffers of one store of {@link KvQuantisePaperKernel}; scratch as in `codec/scratch.ts`. */
export interface KvQuantiseBuffers extends StoreQuantiserBuffers {
  /** vec4<u32> `[jobs]`: slot, tile, token count, unused. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores; written. */
  codes: GPUBuffer | BufferSlice;
  /** Token parameters of all stores; written. */
  params: GPUBuffer | BufferSlice;
  /** Packed order of all stores; the identity is written. */
  order: GPUBuffer | BufferSlice;
}

/** Quantises raw tiles of one store into scratch. FORMAT.md section 6. */
export class KvQuantisePaperKernel extends StoreQuantiser {
  /** Compiles for steps of `keyRel` and `valueRel`, whose codes fit the layout's bits. */
  static async create(
    gpu: Gpu,
    options: {
      layout: PaperLayout;
      storeCount: number;
      tileCount?: number;
      keyRel: number;
      valueRel: number;
    },
  ): Promise<KvQuantisePaperKernel> {
    const { layout, storeCount, keyRel, valueRel, tileCount = WINDOW_TILE_COUNT } = options;
    invariant(codeBits(keyRel) === layout.keyBits, "K code bits follow from keyRel");
    invariant(codeBits(valueRel) === layout.valueBits, "V code bits follow from valueRel");
    const constants = {
      ...scratchConstants(layout, storeCount),
      TILE_COUNT: tileCount,
      KEY_REL: Math.fround(keyRel),
      VALUE_REL: Math.fround(valueRel),
      KEY_CODE_MAX: 2 ** layout.keyBits - 1,
      VALUE_CODE_MAX: 2 ** layout.valueBits - 1,
    };
    const code = [source, rawTile, scale, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_quantise/paper", code, constants });
    return new KvQuantisePaperKernel(kernel, { storeCount, groupCount: 2 });
  }

  /** Binds the buffers for one store. */
  bind(buffers: KvQuantiseBuffers, store: number): GPUBindGroup {
    const { jobs, window, codes, params, order, flags } = buffers;
    const storeIndex = this.storeBuffer("kv_quantise store", store);
    return this.kernel.bind({
      jobs,
      window,
      store_index: storeIndex,
      codes,
      params,
      order,
      flags,
    });
  }
}
