import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/kv_quantise/banded.wgsl" with { type: "text" };
import type { BandedLayout } from "../../codec/banded/layout.ts";
import { UNIT_TOKEN_COUNT } from "../../codec/banded/levels.ts";
import { THRESHOLD_COUNT, TOKEN_STEP_MAX } from "../../codec/banded/tables.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";
import { StoreQuantiser, type StoreQuantiserBuffers } from "./store_quantiser.ts";

/** Buffers of one store of {@link KvQuantiseBandedKernel}; scratch as in `codec/scratch.ts`. */
export interface KvQuantiseBandedBuffers extends StoreQuantiserBuffers {
  /** vec4<u32> `[jobs]`: slot, tile, tokens packed, first token packed; the last two make 64. */
  jobs: GPUBuffer | BufferSlice;
  /** `quantiserWords` of the store. */
  tables: GPUBuffer | BufferSlice;
  /** Codes of all stores; written. */
  codes: GPUBuffer | BufferSlice;
  /** Token steps of all stores, the same for both sides; written. */
  params: GPUBuffer | BufferSlice;
  /** u32 `[jobs][store][layout.sinkWords(true)]`; written for jobs whose first token is not 0. */
  sinks: GPUBuffer | BufferSlice;
}

/** The quantiser's tables have quads of numbers. */
const TABLES_TEXT = constantsPart({
  PACK_SIZE: UNIT_TOKEN_COUNT,
  TOKEN_STEP_MAX,
  THRESHOLD_QUADS: THRESHOLD_COUNT / 4,
  FACTOR_QUADS: (TOKEN_STEP_MAX + 1) / 4,
});

/** Tokens of a workgroup. */
const GROUP_TOKEN_COUNT = 16;

/** Quantises raw tiles of one store into scratch, for banded records. FORMAT.md section 7.2. */
export class KvQuantiseBandedKernel extends StoreQuantiser {
  /** Compiles for all stores that seal. */
  static async create(
    gpu: Gpu,
    options: { layout: BandedLayout; storeCount: number; tileCount?: number },
  ): Promise<KvQuantiseBandedKernel> {
    const { layout, storeCount, tileCount = WINDOW_TILE_COUNT } = options;
    const constants = {
      ...scratchConstants(layout, storeCount),
      SINK_COUNT: layout.sinkCount,
      TILE_COUNT: tileCount,
    };
    const code = [source, rawTile, SCRATCH_TEXT, TABLES_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_quantise/banded", code, constants });
    const groupCount = BLOCK_TOKEN_COUNT / GROUP_TOKEN_COUNT;
    return new KvQuantiseBandedKernel(kernel, { storeCount, groupCount });
  }

  /** Binds the buffers for one store. */
  bind(buffers: KvQuantiseBandedBuffers, store: number): GPUBindGroup {
    this.requireStore(store);
    const { jobs, window, tables, codes, params, sinks, flags } = buffers;
    const storeIndex = this.kernel.ownUniform("store", store);
    return this.kernel.bind({
      jobs,
      window,
      tables,
      codes,
      params,
      sinks,
      flags,
      store: storeIndex,
    });
  }
}
