import source from "../../../shaders/kv_pack/banded.wgsl" with { type: "text" };
import {
  type BandedLayout,
  PAYLOAD_WORDS_MAX,
  PLANE_WORDS,
  TOKEN_STEP_WORDS,
} from "../../codec/banded/layout.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { readerStride } from "../../codec/banded/tables.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { BAND_CHOICE_TEXT, SECTION_TEXT, STRETCH_TEXT } from "../text/banded.ts";
import { NO_RECORD } from "../../core/row.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";

/** A measured block to pack. */
export interface PackBandedJob {
  /** Entry of the scratch buffers: its index among the jobs that were measured. */
  scratchIndex: number;
  /** Tokens before it are sinks: 0, or the layout's sinks. */
  firstToken: number;
  /** Word offset of each store's record in its arena, by store; multiples of 4, or NO_RECORD. */
  targets: ArrayLike<number>;
  /** Tokens that are packed, sinks not among them, by store; all behind the first if left out. */
  packedCounts?: ArrayLike<number>;
  /** Words of the arenas that places of V sections are counted from; `targets` if left out. */
  valueBases?: ArrayLike<number>;
}

/** Buffers of one arena of {@link KvPackBandedKernel}; scratch as in `codec/scratch.ts`. */
export interface KvPackBandedBuffers {
  /** {@link packBandedJobWords}. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** Token steps of all stores. */
  params: GPUBuffer | BufferSlice;
  /** Size of each section of all stores, as `kv_measure/banded` wrote them. */
  sizes: GPUBuffer | BufferSlice;
  /** Sinks of all stores, as `kv_quantise/banded` wrote them. */
  sinks: GPUBuffer | BufferSlice;
  /** `layerTableWords` of all stores. */
  bands: GPUBuffer | BufferSlice;
  /** `pointWords`. */
  points: GPUBuffer | BufferSlice;
  /** Packed blocks; only the words of the records are written. */
  arena: GPUBuffer | BufferSlice;
}

/** The contents of a buffer of jobs: scratch entry, first token, targets, tokens and bases. */
export function packBandedJobWords(jobs: readonly PackBandedJob[]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    jobs.flatMap(({ scratchIndex, firstToken, targets, packedCounts, valueBases }) => [
      scratchIndex,
      firstToken,
      ...Array.from(targets),
      ...Array.from(targets, (_, store) => packedCounts?.[store] ?? BLOCK_TOKEN_COUNT - firstToken),
      ...Array.from(valueBases ?? targets),
    ]),
  );
}

const CONSTANTS_TEXT = constantsPart({
  PLANE_WORDS,
  PAYLOAD_WORDS_MAX,
  TOKEN_STEP_WORDS,
  NO_RECORD,
});

/** Writes measured blocks into an arena as whole banded records. FORMAT.md section 7.5. */
export class KvPackBandedKernel {
  #kernel: Kernel;
  #sectionCount: number;

  private constructor(kernel: Kernel, sectionCount: number) {
    this.#kernel = kernel;
    this.#sectionCount = sectionCount;
  }

  /** Compiles for a layout. */
  static async create(
    gpu: Gpu,
    options: { layout: BandedLayout; storeCount: number },
  ): Promise<KvPackBandedKernel> {
    const { layout, storeCount } = options;
    const constants = {
      ...scratchConstants(layout, storeCount),
      SINK_COUNT: layout.sinkCount,
      TABLE_WORDS: readerStride(layout.channelCount),
    };
    const parts = [source, BAND_CHOICE_TEXT, STRETCH_TEXT, SECTION_TEXT, SCRATCH_TEXT];
    const code = [...parts, CONSTANTS_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_pack/banded", code, constants });
    return new KvPackBandedKernel(kernel, layout.sectionCount);
  }

  /** Binds the buffers for the arena whose first store is `firstStore`. */
  bind(buffers: KvPackBandedBuffers, firstStore: number): GPUBindGroup {
    const { jobs, codes, params, sizes, sinks, bands, points, arena } = buffers;
    const store = this.#kernel.ownUniform("store", firstStore);
    return this.#kernel.bind({
      jobs,
      codes,
      params,
      sizes,
      sinks,
      bands,
      points,
      arena,
      first_store: store,
    });
  }

  /** Encodes `jobCount` jobs of the `storeCount` stores of the bound arena. */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void {
    this.#kernel.dispatch(pass, bound, this.#sectionCount, counts.storeCount, counts.jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
