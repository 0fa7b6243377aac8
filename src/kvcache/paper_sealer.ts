import type { PaperCodec } from "../codec/paper/codec.ts";
import type { PaperLayout } from "../codec/paper/layout.ts";
import { KEY, type Side, VALUE } from "../codec/record.ts";
import type { RepackRule } from "../codec/repack.ts";
import { BLOCK_TOKEN_COUNT, tileOf, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { type PackJob, packJobWords, scratchWords } from "../codec/scratch.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import { KvMeasurePaperKernel } from "../kernels/kv_measure/paper.ts";
import { KvPackPaperKernel } from "../kernels/kv_pack/paper.ts";
import { KvQuantisePaperKernel } from "../kernels/kv_quantise/paper.ts";
import type { KvRepackGreedyKernel } from "../kernels/kv_repack/greedy.ts";
import type { KvRepackMedianKernel } from "../kernels/kv_repack/median.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";
import { createRepack } from "./repack.ts";
import type { Sealer } from "./sealer.ts";

/** Scratch of the blocks measured by one step; at most one block per slot. */
interface Scratch {
  measureJobs: GPUBuffer;
  packJobs: GPUBuffer;
  codes: GPUBuffer;
  params: GPUBuffer;
  /** Empty unless tokens are repacked greedily. */
  ranges: GPUBuffer;
  order: GPUBuffer;
  sizes: GPUBuffer;
  flags: GPUBuffer;
  targets: GPUBuffer;
}

interface Kernels {
  quantise: KvQuantisePaperKernel;
  repack: KvRepackMedianKernel | KvRepackGreedyKernel | null;
  measure: KvMeasurePaperKernel;
  pack: KvPackPaperKernel;
}

interface Bound {
  /** By layer. */
  quantise: readonly GPUBindGroup[];
  repack: GPUBindGroup | null;
  measure: GPUBindGroup;
  /** By arena group. */
  pack: readonly GPUBindGroup[];
}

/** Sealer of packing profiles: quantise, repack, measure; then pack. FORMAT.md sections 3 and 4. */
export class PaperSealer implements Sealer {
  readonly resultSizeBytes: number;
  #gpu: Gpu;
  #cache: KvCache;
  #layout: PaperLayout;
  #scratch: Scratch;
  #kernels: Kernels;
  #bound: Bound;
  #totals = { recordCount: 0, payloadWords: [0, 0] };

  private constructor(
    gpu: Gpu,
    parts: {
      cache: KvCache;
      layout: PaperLayout;
      scratch: Scratch;
      kernels: Kernels;
      bound: Bound;
    },
  ) {
    this.#gpu = gpu;
    this.#cache = parts.cache;
    this.#layout = parts.layout;
    this.#scratch = parts.scratch;
    this.#kernels = parts.kernels;
    this.#bound = parts.bound;
    const { slotCount } = parts.cache.shape;
    this.resultSizeBytes = (this.#sizeWordsPerJob + 1) * slotCount * WORD_SIZE_BYTES;
  }

  /** Compiles the kernels and allocates scratch for one block of each slot. */
  static async create(
    gpu: Gpu,
    options: { cache: KvCache; codec: PaperCodec },
  ): Promise<PaperSealer> {
    const { cache, codec: { layout, profile } } = options;
    const { layerCount } = cache.shape;
    const { keyRel, valueRel } = profile;
    const kernels: Kernels = {
      quantise: await KvQuantisePaperKernel.create(gpu, { layout, layerCount, keyRel, valueRel }),
      repack: await createRepack(gpu, profile.repack, { layout, layerCount }),
      measure: await KvMeasurePaperKernel.create(gpu, { layout, layerCount }),
      pack: await KvPackPaperKernel.create(gpu, { layout, layerCount }),
    };
    const scratch = createScratch(gpu, cache, { layout, repack: profile.repack });
    const bound = bindAll(kernels, scratch, cache);
    return new PaperSealer(gpu, { cache, layout, scratch, kernels, bound });
  }

  recordMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void {
    if (measures.length === 0) return;
    const jobs = measures.map(({ slot, blockIndex }, index) => jobOf(slot, blockIndex, index));
    this.#gpu.write(this.#scratch.measureJobs, 0, packJobWords(jobs));
    encoder.clearBuffer(this.#scratch.flags);
    const { quantise, repack, measure } = this.#kernels;
    const pass = encoder.beginComputePass({ label: "measure" });
    for (const bound of this.#bound.quantise) quantise.record(pass, bound, measures.length);
    if (repack && this.#bound.repack) repack.record(pass, this.#bound.repack, measures.length);
    measure.record(pass, this.#bound.measure, measures.length);
    pass.end();
  }

  recordPacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    if (packs.length === 0) return;
    const jobs = packs.map(({ slot, blockIndex, jobIndex }) => jobOf(slot, blockIndex, jobIndex));
    this.#gpu.write(this.#scratch.packJobs, 0, packJobWords(jobs));
    const targets = packs.flatMap(({ recordOffsets }) => recordOffsets);
    this.#gpu.write(this.#scratch.targets, 0, Uint32Array.from(targets));
    const pass = encoder.beginComputePass({ label: "pack" });
    this.#cache.shape.groups.forEach(({ layerCount }, index) => {
      const counts = { jobCount: packs.length, layerCount };
      this.#kernels.pack.record(pass, this.#bound.pack[index], counts);
    });
    pass.end();
  }

  recordResultCopy(
    encoder: GPUCommandEncoder,
    readBack: ReadBack,
    targetOffsetBytes: number,
  ): void {
    const { slotCount } = this.#cache.shape;
    const sizeBytes = this.#sizeWordsPerJob * slotCount * WORD_SIZE_BYTES;
    readBack.recordCopy(encoder, this.#scratch.sizes, { sizeBytes, targetOffsetBytes });
    readBack.recordCopy(encoder, this.#scratch.flags, {
      sizeBytes: slotCount * WORD_SIZE_BYTES,
      targetOffsetBytes: targetOffsetBytes + sizeBytes,
    });
  }

  readResults(
    measures: readonly MeasureOp[],
    words: Uint32Array,
  ): Pick<StepResult, "recordWords" | "refused"> {
    const { layerCount, slotCount } = this.#cache.shape;
    const flags = words.subarray(this.#sizeWordsPerJob * slotCount);
    const refused: number[] = [];
    const recordWords = measures.map((_, job) => {
      if (flags[job] !== 0) refused.push(job);
      return Array.from({ length: layerCount }, (_, layer) => this.#addRecord(words, job, layer));
    });
    return { recordWords, refused };
  }

  bitsPerElement(): { k: number; v: number } {
    return { k: this.#bits(KEY), v: this.#bits(VALUE) };
  }

  payloadBitsPerElement(): { k: number; v: number } {
    return {
      k: this.#perElement(this.#totals.payloadWords[KEY]),
      v: this.#perElement(this.#totals.payloadWords[VALUE]),
    };
  }

  destroy(): void {
    for (const buffer of Object.values(this.#scratch)) this.#gpu.destroyBuffer(buffer);
    this.#kernels.quantise.destroy();
    this.#kernels.pack.destroy();
  }

  get #sizeWordsPerJob(): number {
    return this.#cache.shape.layerCount * this.#layout.sectionCount;
  }

  #addRecord(words: Uint32Array, job: number, layer: number): number {
    const { sectionCount, kvHeadCount } = this.#layout;
    const start = job * this.#sizeWordsPerJob + layer * sectionCount;
    let payloadWords = 0;
    for (let section = 0; section < sectionCount; section++) {
      const sectionWords = words[start + section];
      payloadWords += sectionWords;
      this.#totals.payloadWords[section < kvHeadCount ? KEY : VALUE] += sectionWords;
    }
    this.#totals.recordCount++;
    return this.#layout.recordWords(payloadWords);
  }

  /**
   * Half of the section table and of the record's padding (at most 3 words) is counted per side.
   */
  #bits(side: Side): number {
    const { kvHeadCount } = this.#layout;
    const { recordCount, payloadWords } = this.#totals;
    const fixedWords = kvHeadCount + BLOCK_TOKEN_COUNT +
      kvHeadCount * this.#layout.payloadWord(side);
    return this.#perElement(recordCount * fixedWords + payloadWords[side]);
  }

  #perElement(wordCount: number): number {
    const { kvHeadCount, headSize } = this.#layout;
    const elementCount = this.#totals.recordCount * kvHeadCount * headSize * BLOCK_TOKEN_COUNT;
    return elementCount === 0 ? 0 : 32 * wordCount / elementCount;
  }
}

function jobOf(slot: number, blockIndex: number, scratchIndex: number): PackJob {
  const tile = tileOf(blockIndex);
  return { slot, tile, tokenCount: BLOCK_TOKEN_COUNT, scratchIndex };
}

function createScratch(
  gpu: Gpu,
  cache: KvCache,
  options: { layout: PaperLayout; repack: RepackRule },
): Scratch {
  const { layout, repack } = options;
  const { layerCount, slotCount } = cache.shape;
  const words = scratchWords(layout, layerCount);
  const jobWords = packJobWords([jobOf(0, 0, 0)]).length;
  const make = (label: string, wordsPerJob: number) =>
    gpu.createBuffer(`seal ${label}`, slotCount * wordsPerJob * WORD_SIZE_BYTES);
  return {
    measureJobs: make("measure jobs", jobWords),
    packJobs: make("pack jobs", jobWords),
    codes: make("codes", words.codes),
    params: make("params", words.params),
    ranges: make("ranges", repack === "greedy" ? words.ranges : 0),
    order: make("order", words.order),
    sizes: make("sizes", words.sizes),
    flags: make("flags", words.flags),
    targets: make("targets", layerCount),
  };
}

function bindAll(kernels: Kernels, scratch: Scratch, cache: KvCache): Bound {
  const { measureJobs, packJobs, ...rest } = scratch;
  const measured = { ...rest, jobs: measureJobs };
  const packed = { ...rest, jobs: packJobs };
  return {
    quantise: cache.windows.map((window, layer) =>
      kernels.quantise.bind({ ...measured, window }, layer)
    ),
    repack: kernels.repack?.bind(measured) ?? null,
    measure: kernels.measure.bind(measured),
    pack: cache.shape.groups.map(({ firstLayer }, index) => {
      return kernels.pack.bind({ ...packed, arena: cache.arenas[index] }, firstLayer);
    }),
  };
}
