import centres from "../../../shaders/lib/deltakv_centres.wgsl" with { type: "text" };
import source from "../../../shaders/kv_describe/deltakv.wgsl" with { type: "text" };
import { type DeltaKvLayout, HAS_TABLE } from "../../codec/deltakv/layout.ts";
import { CHANNEL_CODE_WORDS } from "../../codec/scratch.ts";
import { invariant } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { deltaKvConstants } from "../text/deltakv.ts";

/** Buffers of one store of {@link KvDescribeDeltaKvKernel}; scratch as in `codec/scratch.ts`. */
export interface KvDescribeBuffers {
  /** Codes of all stores; those of sections that are described are replaced. */
  codes: GPUBuffer | BufferSlice;
  /** Token parameters of all stores. */
  params: GPUBuffer | BufferSlice;
  /** u32 `[64][headSize / 2]`: what keys of the layer turn by, `turnWords` of the codec. */
  turns: GPUBuffer | BufferSlice;
  /** Packed order of all stores; written. */
  order: GPUBuffer | BufferSlice;
  /** Payload words of each section of all stores, the first with `HAS_TABLE`; written. */
  sizes: GPUBuffer | BufferSlice;
  /** u32 `[jobs][storeCount][layout.headWords(true)]`: heads of records; written. */
  heads: GPUBuffer | BufferSlice;
}

/** Describes quantised blocks of 64 tokens by their centres, and measures them. */
export class KvDescribeDeltaKvKernel {
  #kernel: Kernel;
  #storeCount: number;

  private constructor(kernel: Kernel, storeCount: number) {
    this.#kernel = kernel;
    this.#storeCount = storeCount;
  }

  /** Compiles for all stores that seal. */
  static async create(
    gpu: Gpu,
    { layout, storeCount }: { layout: DeltaKvLayout; storeCount: number },
  ): Promise<KvDescribeDeltaKvKernel> {
    const constants = constantsPart({
      ...deltaKvConstants(layout),
      STORE_COUNT: storeCount,
      CODE_WORDS: CHANNEL_CODE_WORDS,
      HEAD_WORDS: layout.headWords(true),
      HAS_TABLE,
    });
    const code = [source, centres, constants].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_describe/deltakv", code });
    return new KvDescribeDeltaKvKernel(kernel, storeCount);
  }

  /** Binds the buffers for one store. */
  bind(buffers: KvDescribeBuffers, store: number): GPUBindGroup {
    invariant(store >= 0 && store < this.#storeCount, "store is one of those that seal");
    const { codes, params, turns, order, sizes, heads } = buffers;
    const storeIndex = this.#kernel.own(
      this.#kernel.gpu.createBufferWith("kv_describe store", Uint32Array.of(store)),
    );
    return this.#kernel.bind({
      codes,
      params,
      turns,
      store_index: storeIndex,
      order,
      sizes,
      heads,
    });
  }

  /** Encodes the bound store of `jobCount` jobs. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, jobCount: number): void {
    this.#kernel.dispatch(pass, bound, jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
