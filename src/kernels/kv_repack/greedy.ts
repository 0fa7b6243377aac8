import source from "../../../shaders/kv_repack/greedy.wgsl" with { type: "text" };
import wideInteger from "../../../shaders/lib/wide_integer.wgsl" with { type: "text" };
import type { CodedLayout } from "../../codec/scratch.ts";
import { EngineError } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT } from "../text/block.ts";
import { chooseVariant } from "../variant.ts";
import { KV_REPACK_GREEDY_VARIANTS } from "./variants.ts";

/**
 * Most channels of a side, and with packs of 4. Mesa's software driver ends a shader's loops,
 * without an error, after 65,535 turns in all; up to here the kernel needs fewer, whatever the
 * codes: 62,608 and 65,424. More packs have more starts to look for.
 */
const CHANNEL_COUNT_MAX = 6144;
const CHANNEL_COUNT_MAX_OF_4 = 5632;

/** Buffers of {@link KvRepackGreedyKernel}; scratch as in `codec/scratch.ts`. */
export interface KvRepackGreedyBuffers {
  /** vec4<u32> `[jobs]`, as `kv_quantise` read them. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** Ranges of the pack that is being filled, of all stores; overwritten. */
  ranges: GPUBuffer | BufferSlice;
  /** Packed order of all stores; written. */
  order: GPUBuffer | BufferSlice;
}

/** Orders the tokens of blocks so that packs hold tokens that are alike. FORMAT.md section 3. */
export class KvRepackGreedyKernel {
  #kernel: Kernel;
  #storeCount: number;

  private constructor(kernel: Kernel, storeCount: number) {
    this.#kernel = kernel;
    this.#storeCount = storeCount;
  }

  /**
   * Compiles for all stores that seal.
   *
   * @throws {EngineError} `model_unsupported` if a layer has more than 6,144 channels of K,
   * with packs of 4 more than 5,632.
   */
  static async create(
    gpu: Gpu,
    options: { layout: CodedLayout; storeCount: number },
  ): Promise<KvRepackGreedyKernel> {
    const { layout, storeCount } = options;
    const channelCount = layout.kvHeadCount * layout.headSize;
    const channelCountMax = layout.packSize === 4 ? CHANNEL_COUNT_MAX_OF_4 : CHANNEL_COUNT_MAX;
    if (channelCount > channelCountMax) {
      throw new EngineError(
        "model_unsupported",
        `Cannot repack greedily: ${channelCount} channels of keys per layer exceed ` +
          `${channelCountMax} with packs of ${layout.packSize}; use the median`,
      );
    }
    const about = { facts: gpu.facts, shape: { channelCount } };
    const variant = chooseVariant("kv_repack/greedy", KV_REPACK_GREEDY_VARIANTS, about);
    const constants = {
      CHANNEL_COUNT: channelCount,
      STORE_COUNT: storeCount,
      PACK_SIZE: layout.packSize,
      KEY_BITS: layout.keyBits,
      VALUE_BITS: layout.valueBits,
      LANE_COUNT: variant.threadCount,
    };
    const code = [source, wideInteger, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_repack/greedy", code, constants });
    return new KvRepackGreedyKernel(kernel, storeCount);
  }

  /** Binds buffers. */
  bind({ jobs, codes, ranges, order }: KvRepackGreedyBuffers): GPUBindGroup {
    return this.#kernel.bind({ jobs, codes, ranges, order });
  }

  /** Encodes all stores of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#storeCount, jobCount);
  }
}
