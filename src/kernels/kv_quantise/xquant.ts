import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { xquantConstants } from "../text/xquant.ts";
import { type RecordQuantiserBuffers, StoreQuantiser } from "./store_quantiser.ts";

/** Makes XQuant records of raw tiles of one store. FORMAT.md section 10. */
export class KvQuantiseXquantKernel extends StoreQuantiser {
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
    return new KvQuantiseXquantKernel(kernel, { storeCount, groupCount: layout.sectionCount });
  }

  /** Binds the buffers for one store, whose records have codes of their own or not. */
  bind(
    buffers: RecordQuantiserBuffers,
    { store, hasCodes }: { store: number; hasCodes: boolean },
  ): GPUBindGroup {
    const { jobs, window, records, flags } = buffers;
    const place = this.storeBuffer("kv_quantise/xquant place", store, hasCodes ? 1 : 0);
    return this.kernel.bind({ jobs, window, place, records, flags });
  }
}
