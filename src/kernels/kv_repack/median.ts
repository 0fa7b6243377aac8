import source from "../../../shaders/kv_repack/median.wgsl" with { type: "text" };
import type { CodedLayout } from "../../codec/scratch.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT } from "../text/block.ts";

/** Buffers of {@link KvRepackMedianKernel}; scratch as in `codec/scratch.ts`. */
export interface KvRepackMedianBuffers {
  /** vec4<u32> `[jobs]`, as `kv_quantise` read them. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** Packed order of all stores; written. */
  order: GPUBuffer | BufferSlice;
}

/** Orders the tokens of blocks by their median V code. FORMAT.md section 3. */
export class KvRepackMedianKernel {
  #kernel: Kernel;
  #storeCount: number;

  private constructor(kernel: Kernel, storeCount: number) {
    this.#kernel = kernel;
    this.#storeCount = storeCount;
  }

  /** Compiles for all stores that seal. */
  static async create(
    gpu: Gpu,
    options: { layout: CodedLayout; storeCount: number },
  ): Promise<KvRepackMedianKernel> {
    const { layout, storeCount } = options;
    const constants = {
      CHANNEL_COUNT: layout.kvHeadCount * layout.headSize,
      STORE_COUNT: storeCount,
      VALUE_BITS: layout.valueBits,
    };
    const code = [source, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_repack/median", code, constants });
    return new KvRepackMedianKernel(kernel, storeCount);
  }

  /** Binds buffers. */
  bind({ jobs, codes, order }: KvRepackMedianBuffers): GPUBindGroup {
    return this.#kernel.bind({ jobs, codes, order });
  }

  /** Encodes all stores of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#storeCount, jobCount);
  }
}
