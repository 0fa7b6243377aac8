import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import scale from "../../../shaders/lib/kv_scale.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/int8.wgsl" with { type: "text" };
import type { Int8Layout } from "../../codec/int8/layout.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { INT8_TEXT } from "../text/int8.ts";
import { type RecordQuantiserBuffers, StoreQuantiser } from "./store_quantiser.ts";

/** Makes int8 records of raw tiles of one store. FORMAT.md section 8. */
export class KvQuantiseInt8Kernel extends StoreQuantiser {
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
    return new KvQuantiseInt8Kernel(kernel, { storeCount, groupCount: sectionCount });
  }

  /** Binds the buffers for one store. */
  bind(buffers: RecordQuantiserBuffers, store: number): GPUBindGroup {
    const { jobs, window, records, flags } = buffers;
    const storeIndex = this.storeBuffer("kv_quantise/int8 store", store);
    return this.kernel.bind({ jobs, window, store_index: storeIndex, records, flags });
  }
}
