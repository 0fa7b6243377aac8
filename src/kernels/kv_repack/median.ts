import source from "../../../shaders/kv_repack/median.wgsl" with { type: "text" };
import type { CodedLayout } from "../../codec/scratch.ts";
import { invariant } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";

/** Buffers of {@link KvRepackMedianKernel}; scratch as in `codec/scratch.ts`. */
export interface KvRepackMedianBuffers {
  /** vec4<u32> `[jobs]`, as `kv_quantise` read them. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all layers. */
  codes: GPUBuffer | BufferSlice;
  /** Packed order of all layers; written. */
  order: GPUBuffer | BufferSlice;
}

/** Orders the tokens of blocks by their median V code. FORMAT.md section 3. */
export class KvRepackMedianKernel {
  #gpu: Gpu;
  #pipeline: GPUComputePipeline;
  #layerCount: number;

  private constructor(gpu: Gpu, pipeline: GPUComputePipeline, layerCount: number) {
    this.#gpu = gpu;
    this.#pipeline = pipeline;
    this.#layerCount = layerCount;
  }

  /** Compiles for all layers of a model. */
  static async create(
    gpu: Gpu,
    options: { layout: CodedLayout; layerCount: number },
  ): Promise<KvRepackMedianKernel> {
    const { layout, layerCount } = options;
    const constants = {
      CHANNEL_COUNT: layout.kvHeadCount * layout.headSize,
      LAYER_COUNT: layerCount,
      VALUE_BITS: layout.valueBits,
    };
    const label = "kv_repack/median";
    const pipeline = await gpu.createPipeline({ label, code: source, constants });
    return new KvRepackMedianKernel(gpu, pipeline, layerCount);
  }

  /** Binds buffers; do it at load, not in the step loop. */
  bind({ jobs, codes, order }: KvRepackMedianBuffers): GPUBindGroup {
    invariant(codes !== order, "order does not alias codes");
    return this.#gpu.bind(this.#pipeline, [jobs, codes, order]);
  }

  /** Records all layers of `jobCount` jobs. */
  record(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(this.#layerCount, jobCount);
  }
}
