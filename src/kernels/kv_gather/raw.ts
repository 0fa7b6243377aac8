import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/kv_gather/raw.wgsl" with { type: "text" };
import type { HeadShape } from "../../codec/raw_tile.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { GATHER_WORDS, HEADER_WORDS } from "./gathers.ts";

/** Buffers of one arena of {@link KvGatherRawKernel}. */
export interface KvGatherRawBuffers {
  /** `gatherWords`. */
  gathers: GPUBuffer | BufferSlice;
  /** Raw records. */
  arena: GPUBuffer | BufferSlice;
  /** Raw tiles `[scratch][store]`; written whole. */
  tiles: GPUBuffer | BufferSlice;
}

const TEXT = constantsPart({ ...BLOCK_CONSTANTS, GATHER_WORDS, HEADER_WORDS });

/** Puts raw tiles together of tokens of others; absent places are 0. */
export class KvGatherRawKernel {
  #kernel: Kernel;
  #groupCount: number;

  private constructor(kernel: Kernel, groupCount: number) {
    this.#kernel = kernel;
    this.#groupCount = groupCount;
  }

  /** Compiles for a model's heads. */
  static async create(
    gpu: Gpu,
    options: { shape: HeadShape; storeCount: number },
  ): Promise<KvGatherRawKernel> {
    const { shape: { kvHeadCount, headSize }, storeCount } = options;
    const constants = {
      KV_HEAD_COUNT: kvHeadCount,
      HEAD_SIZE: headSize,
      STORE_COUNT: storeCount,
    };
    const code = [source, rawTile, TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_gather/raw", code, constants });
    return new KvGatherRawKernel(kernel, kvHeadCount * headSize / 8);
  }

  /** Binds the buffers for the arena whose first store is `firstStore`. */
  bind(buffers: KvGatherRawBuffers, firstStore: number): GPUBindGroup {
    const store = this.#kernel.ownUniform("store", firstStore);
    return this.#kernel.bind({ ...buffers, first_store: store });
  }

  /** Encodes `jobCount` gathers of the `storeCount` stores of the bound arena. */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void {
    this.#kernel.dispatch(pass, bound, 2 * this.#groupCount, counts.storeCount, counts.jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
