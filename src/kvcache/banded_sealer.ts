import { packerWords, quantiserWords } from "../codec/banded/tables.ts";
import type { BandedCodec } from "../codec/banded/codec.ts";
import { KEY, type Side, VALUE } from "../codec/record.ts";
import { packJobWords, scratchWords } from "../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT, tileOf, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import { KvMeasureBandedKernel } from "../kernels/kv_measure/banded.ts";
import { KvPackBandedKernel, packBandedJobWords } from "../kernels/kv_pack/banded.ts";
import { KvQuantiseBandedKernel } from "../kernels/kv_quantise/banded.ts";
import type { KvRepackGreedyKernel } from "../kernels/kv_repack/greedy.ts";
import type { KvRepackMedianKernel } from "../kernels/kv_repack/median.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";
import { createRepack } from "./repack.ts";
import type { Sealer } from "./sealer.ts";

/** Scratch of the blocks measured by one step, at most one per slot, and the static tables. */
interface Buffers {
  measureJobs: GPUBuffer;
  packJobs: GPUBuffer;
  codes: GPUBuffer;
  params: GPUBuffer;
  /** Empty unless tokens are repacked greedily. */
  ranges: GPUBuffer;
  order: GPUBuffer;
  sizes: GPUBuffer;
  sinks: GPUBuffer;
  flags: GPUBuffer;
  bands: GPUBuffer;
}

interface Kernels {
  quantise: KvQuantiseBandedKernel;
  repack: KvRepackMedianKernel | KvRepackGreedyKernel | null;
  measure: KvMeasureBandedKernel;
  pack: KvPackBandedKernel;
}

interface Bound {
  /** By layer. */
  quantise: readonly GPUBindGroup[];
  repack: GPUBindGroup | null;
  measure: GPUBindGroup;
  /** By arena group. */
  pack: readonly GPUBindGroup[];
}

interface Parts {
  cache: KvCache;
  codec: BandedCodec;
  buffers: Buffers;
  /** `quantiserWords` of each layer. */
  tables: readonly GPUBuffer[];
  kernels: Kernels;
  bound: Bound;
}

/** Sealer of calibrated profiles: quantise, repack, measure; then pack. FORMAT.md section 11. */
export class BandedSealer implements Sealer {
  readonly resultSizeBytes: number;
  #gpu: Gpu;
  #parts: Parts;
  #totals = { recordCount: 0, tokenCount: 0, payloadWords: [0, 0] };

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
    const { slotCount } = parts.cache.shape;
    this.resultSizeBytes = (this.#sizeWordsPerJob + 1) * slotCount * WORD_SIZE_BYTES;
  }

  /** Compiles the kernels, uploads the tables, allocates scratch for one block of each slot. */
  static async create(
    gpu: Gpu,
    options: { cache: KvCache; codec: BandedCodec },
  ): Promise<BandedSealer> {
    const { cache, codec } = options;
    const { layout, profile } = codec;
    const { layerCount } = cache.shape;
    const { kvHeadCount, headSize } = layout;
    const coded = { kvHeadCount, headSize, packSize: 8, keyBits: 8, valueBits: 8 };
    const kernels: Kernels = {
      quantise: await KvQuantiseBandedKernel.create(gpu, { layout, layerCount }),
      repack: await createRepack(gpu, profile.repack, { layout: coded, layerCount }),
      measure: await KvMeasureBandedKernel.create(gpu, { layout, layerCount }),
      pack: await KvPackBandedKernel.create(gpu, { layout, layerCount }),
    };
    const tables = codec.tables.map((each, layer) =>
      gpu.createBufferWith(`quantiser tables ${layer}`, quantiserWords(each))
    );
    const buffers = createBuffers(gpu, cache, codec);
    const bound = bindAll(kernels, { buffers, tables, cache });
    return new BandedSealer(gpu, { cache, codec, buffers, tables, kernels, bound });
  }

  recordMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void {
    if (measures.length === 0) return;
    const { buffers, kernels, bound } = this.#parts;
    const jobs = measures.map(({ slot, blockIndex }) => {
      const firstToken = this.#firstToken(blockIndex);
      const tile = tileOf(blockIndex);
      const tokenCount = BLOCK_TOKEN_COUNT - firstToken;
      return { slot, tile, tokenCount, scratchIndex: firstToken };
    });
    this.#gpu.write(buffers.measureJobs, 0, packJobWords(jobs));
    encoder.clearBuffer(buffers.flags);
    const pass = encoder.beginComputePass({ label: "measure" });
    for (const layer of bound.quantise) kernels.quantise.record(pass, layer, measures.length);
    if (kernels.repack && bound.repack) {
      kernels.repack.record(pass, bound.repack, measures.length);
    }
    kernels.measure.record(pass, bound.measure, measures.length);
    pass.end();
  }

  recordPacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    if (packs.length === 0) return;
    const { cache, buffers, kernels, bound } = this.#parts;
    const jobs = packs.map(({ blockIndex, jobIndex, recordOffsets }) => {
      const firstToken = this.#firstToken(blockIndex);
      return { scratchIndex: jobIndex, firstToken, targets: recordOffsets };
    });
    this.#gpu.write(buffers.packJobs, 0, packBandedJobWords(jobs));
    const pass = encoder.beginComputePass({ label: "pack" });
    cache.shape.groups.forEach(({ layerCount }, index) => {
      const counts = { jobCount: packs.length, layerCount };
      kernels.pack.record(pass, bound.pack[index], counts);
    });
    pass.end();
  }

  recordResultCopy(
    encoder: GPUCommandEncoder,
    readBack: ReadBack,
    targetOffsetBytes: number,
  ): void {
    const { cache, buffers } = this.#parts;
    const { slotCount } = cache.shape;
    const sizeBytes = this.#sizeWordsPerJob * slotCount * WORD_SIZE_BYTES;
    readBack.recordCopy(encoder, buffers.sizes, { sizeBytes, targetOffsetBytes });
    readBack.recordCopy(encoder, buffers.flags, {
      sizeBytes: slotCount * WORD_SIZE_BYTES,
      targetOffsetBytes: targetOffsetBytes + sizeBytes,
    });
  }

  readResults(
    measures: readonly MeasureOp[],
    words: Uint32Array,
  ): Pick<StepResult, "recordWords" | "refused"> {
    const { layerCount, slotCount } = this.#parts.cache.shape;
    const flags = words.subarray(this.#sizeWordsPerJob * slotCount);
    const refused = [...measures.keys()].filter((job) => flags[job] !== 0);
    const recordWords = measures.map(({ blockIndex }, job) => {
      const hasSinks = this.#firstToken(blockIndex) > 0;
      return Array.from({ length: layerCount }, (_, layer) => {
        return this.#addRecord(words, { job, layer, hasSinks });
      });
    });
    return { recordWords, refused };
  }

  bitsPerElement(): { k: number; v: number } {
    return { k: this.#bits(KEY), v: this.#bits(VALUE) };
  }

  payloadBitsPerElement(): { k: number; v: number } {
    const { payloadWords } = this.#totals;
    return { k: this.#perElement(payloadWords[KEY]), v: this.#perElement(payloadWords[VALUE]) };
  }

  destroy(): void {
    const { buffers, tables, kernels } = this.#parts;
    for (const buffer of [...Object.values(buffers), ...tables]) this.#gpu.destroyBuffer(buffer);
    kernels.quantise.destroy();
    kernels.pack.destroy();
  }

  get #sizeWordsPerJob(): number {
    const { cache, codec } = this.#parts;
    return cache.shape.layerCount * codec.layout.sectionCount;
  }

  /** The first block of a sequence begins with its sinks. */
  #firstToken(blockIndex: number): number {
    return blockIndex === 0 ? this.#parts.codec.layout.sinkCount : 0;
  }

  #addRecord(
    words: Uint32Array,
    { job, layer, hasSinks }: { job: number; layer: number; hasSinks: boolean },
  ): number {
    const { layout } = this.#parts.codec;
    const start = job * this.#sizeWordsPerJob + layer * layout.sectionCount;
    let payloadWords = 0;
    for (let section = 0; section < layout.sectionCount; section++) {
      const sectionWords = words[start + section];
      payloadWords += sectionWords;
      this.#totals.payloadWords[layout.sectionPlace(section).side] += sectionWords;
    }
    this.#totals.recordCount++;
    this.#totals.tokenCount += layout.packedTokenCount(hasSinks);
    return layout.recordWords(payloadWords, hasSinks);
  }

  /** A side has half of the fixed words; padding is counted to none, and sinks are raw. */
  #bits(side: Side): number {
    const { recordCount, payloadWords } = this.#totals;
    const fixedWords = recordCount * this.#parts.codec.layout.fixedWords(false) / 2;
    return this.#perElement(fixedWords + payloadWords[side]);
  }

  #perElement(wordCount: number): number {
    const elementCount = this.#totals.tokenCount * this.#parts.codec.layout.channelCount;
    return elementCount === 0 ? 0 : 32 * wordCount / elementCount;
  }
}

function createBuffers(gpu: Gpu, cache: KvCache, codec: BandedCodec): Buffers {
  const { layout, profile, tables } = codec;
  const { layerCount, slotCount } = cache.shape;
  const words = scratchWords(layout, layerCount);
  const make = (label: string, wordsPerJob: number) =>
    gpu.createBuffer(`seal ${label}`, slotCount * wordsPerJob * WORD_SIZE_BYTES);
  const noTargets = { scratchIndex: 0, firstToken: 0, targets: new Uint32Array(layerCount) };
  return {
    measureJobs: make("measure jobs", 4),
    packJobs: make("pack jobs", packBandedJobWords([noTargets]).length),
    codes: make("codes", words.codes),
    params: make("params", words.params),
    ranges: make("ranges", profile.repack === "greedy" ? words.ranges : 0),
    order: make("order", words.order),
    sizes: make("sizes", words.sizes),
    sinks: make("sinks", layerCount * Math.max(1, layout.sinkWords(true))),
    flags: make("flags", words.flags),
    bands: gpu.createBufferWith("bands", packerWords(tables)),
  };
}

function bindAll(
  kernels: Kernels,
  source: { buffers: Buffers; tables: readonly GPUBuffer[]; cache: KvCache },
): Bound {
  const { buffers: { measureJobs, packJobs, ...rest }, tables, cache } = source;
  const measured = { ...rest, jobs: measureJobs };
  const packed = { ...rest, jobs: packJobs };
  return {
    quantise: cache.windows.map((window, layer) =>
      kernels.quantise.bind({ ...measured, window, tables: tables[layer] }, layer)
    ),
    repack: kernels.repack?.bind(measured) ?? null,
    measure: kernels.measure.bind(measured),
    pack: cache.shape.groups.map(({ firstLayer }, index) => {
      return kernels.pack.bind({ ...packed, arena: cache.arenas[index] }, firstLayer);
    }),
  };
}
