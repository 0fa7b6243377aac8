/**
 * The sealer of codecs that quantise: quantise, order, measure; then pack.
 *
 * @module
 */

import { KEY, type Side, VALUE } from "../codec/record.ts";
import { packJobWords } from "../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT, tileOf, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";
import type { Sealer } from "./sealer.ts";

/** What sealing needs to know of a codec's records. */
export interface SealLayout {
  /** Channels of a side. */
  readonly channelCount: number;
  /** First tokens of a sequence that its first block keeps as they are. */
  readonly sinkCount: number;
  /** Sections that are measured; 0 if all records have the same size. */
  readonly sectionCount: number;
  /** Words of payload of a side in each record that are not measured. */
  readonly fixedPayloadWords: number;
  /** Side of a section. */
  sideOf(section: number): Side;
  /** Words of a record, from those of its payload. */
  recordWords(payloadWords: number, hasSinks: boolean): number;
  /** Words of a record beside its payload that are counted to a side; padding to none. */
  sideWords(side: Side): number;
}

/** A measured block to pack. */
export interface SealedPack {
  /** Its index among the blocks that were measured. */
  scratchIndex: number;
  /** Tokens before it are sinks. */
  firstToken: number;
  /** Word offset of the record of each sealed store in its arena. */
  targets: readonly number[];
}

/** Kernels of a codec, bound to its scratch and a cache. */
export interface SealKernels {
  readonly layout: SealLayout;
  /** Of the blocks to measure: `packJobWords`. */
  readonly measureJobs: GPUBuffer;
  /** u32 `[jobs][sealed store][sectionCount]`: words of payload; null if nothing is measured. */
  readonly sizes: GPUBuffer | null;
  /** u32 `[jobs]`: not 0 for a block that is refused. */
  readonly flags: GPUBuffer;
  /** Records quantising, ordering and measuring all sealed stores of `jobCount` blocks. */
  recordMeasures(pass: GPUComputePassEncoder, jobCount: number): void;
  /** Records the packing of at least one block. */
  recordPacks(encoder: GPUCommandEncoder, packs: readonly SealedPack[]): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** A kernel that packs the records of an arena group. */
interface PackKernel {
  record(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void;
}

/** Records a kernel for all arena groups; `bound` holds its buffers by group. */
export function recordByGroup(
  encoder: GPUCommandEncoder,
  { cache, kernel, bound }: { cache: KvCache; kernel: PackKernel; bound: readonly GPUBindGroup[] },
  jobCount: number,
): void {
  const pass = encoder.beginComputePass({ label: "pack" });
  cache.sealedGroups.forEach(({ count: storeCount }, group) => {
    kernel.record(pass, bound[group], { jobCount, storeCount });
  });
  pass.end();
}

/** Seals blocks with the kernels of a codec. */
export class BlockSealer implements Sealer {
  readonly resultSizeBytes: number;
  #gpu: Gpu;
  #cache: KvCache;
  #kernels: SealKernels;
  #totals = { recordCount: 0, tokenCount: 0, payloadWords: [0, 0] };

  /** Takes ownership of the kernels. */
  constructor(gpu: Gpu, parts: { cache: KvCache; kernels: SealKernels }) {
    this.#gpu = gpu;
    this.#cache = parts.cache;
    this.#kernels = parts.kernels;
    const { slotCount } = parts.cache.shape;
    this.resultSizeBytes = (this.#sizeWordsPerJob + 1) * slotCount * WORD_SIZE_BYTES;
  }

  recordMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void {
    if (measures.length === 0) return;
    const jobs = measures.map(({ slot, blockIndex }) => {
      const scratchIndex = this.#firstToken(blockIndex);
      const tokenCount = BLOCK_TOKEN_COUNT - scratchIndex;
      return { slot, tile: tileOf(blockIndex), tokenCount, scratchIndex };
    });
    this.#gpu.write(this.#kernels.measureJobs, 0, packJobWords(jobs));
    encoder.clearBuffer(this.#kernels.flags);
    const pass = encoder.beginComputePass({ label: "measure" });
    this.#kernels.recordMeasures(pass, measures.length);
    pass.end();
  }

  recordPacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    if (packs.length === 0) return;
    const sealed = packs.map(({ blockIndex, jobIndex, recordOffsets }) => {
      const firstToken = this.#firstToken(blockIndex);
      const targets = this.#cache.sealed.map(({ store }) => recordOffsets[store]);
      return { scratchIndex: jobIndex, firstToken, targets };
    });
    this.#kernels.recordPacks(encoder, sealed);
  }

  recordResultCopy(
    encoder: GPUCommandEncoder,
    readBack: ReadBack,
    targetOffsetBytes: number,
  ): void {
    const { slotCount } = this.#cache.shape;
    const { sizes, flags } = this.#kernels;
    const sizeBytes = this.#sizeWordsPerJob * slotCount * WORD_SIZE_BYTES;
    if (sizes) readBack.recordCopy(encoder, sizes, { sizeBytes, targetOffsetBytes });
    readBack.recordCopy(encoder, flags, {
      sizeBytes: slotCount * WORD_SIZE_BYTES,
      targetOffsetBytes: targetOffsetBytes + sizeBytes,
    });
  }

  readResults(
    measures: readonly MeasureOp[],
    words: Uint32Array,
  ): Pick<StepResult, "recordWords" | "refused"> {
    const { sealed, shape: { slotCount, stores } } = this.#cache;
    const flags = words.subarray(this.#sizeWordsPerJob * slotCount);
    const refused = [...measures.keys()].filter((job) => flags[job] !== 0);
    const recordWords = measures.map(({ blockIndex }, job) => {
      const firstToken = this.#firstToken(blockIndex);
      const storeWords = new Array<number>(stores.length).fill(0);
      sealed.forEach(({ store }, sealedIndex) => {
        storeWords[store] = this.#addRecord(words, { job, sealedIndex, firstToken });
      });
      return storeWords;
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
    this.#kernels.destroy();
  }

  get #sizeWordsPerJob(): number {
    return this.#cache.sealed.length * this.#kernels.layout.sectionCount;
  }

  /** The first block of a sequence begins with its sinks. */
  #firstToken(blockIndex: number): number {
    return blockIndex === 0 ? this.#kernels.layout.sinkCount : 0;
  }

  #addRecord(
    words: Uint32Array,
    { job, sealedIndex, firstToken }: { job: number; sealedIndex: number; firstToken: number },
  ): number {
    const { layout } = this.#kernels;
    const start = job * this.#sizeWordsPerJob + sealedIndex * layout.sectionCount;
    let payloadWords = 0;
    for (let section = 0; section < layout.sectionCount; section++) {
      const sectionWords = words[start + section];
      payloadWords += sectionWords;
      this.#totals.payloadWords[layout.sideOf(section)] += sectionWords;
    }
    for (const side of [KEY, VALUE]) {
      this.#totals.payloadWords[side] += layout.fixedPayloadWords;
    }
    this.#totals.recordCount++;
    this.#totals.tokenCount += BLOCK_TOKEN_COUNT - firstToken;
    return layout.recordWords(payloadWords, firstToken > 0);
  }

  /** Sinks are raw, and are counted to no side. */
  #bits(side: Side): number {
    const { recordCount, payloadWords } = this.#totals;
    const sideWords = recordCount * this.#kernels.layout.sideWords(side);
    return this.#perElement(sideWords + payloadWords[side]);
  }

  #perElement(wordCount: number): number {
    const elementCount = this.#totals.tokenCount * this.#kernels.layout.channelCount;
    return elementCount === 0 ? 0 : 32 * wordCount / elementCount;
  }
}
