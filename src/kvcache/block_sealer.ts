/**
 * The sealer of codecs that quantise: quantise, order, measure; then pack.
 *
 * @module
 */

import { KEY, type Side, VALUE, type ValuePart } from "../codec/record.ts";
import { packJobWords } from "../codec/scratch.ts";
import { invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT, tileOf, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { Gather } from "../scheduler/keep/compaction.ts";
import { NO_RECORD } from "../core/row.ts";
import type { GatherJob } from "../kernels/kv_gather/gathers.ts";
import type { KvCache, SealedStore } from "./kv_cache.ts";
import {
  type DescribedCounts,
  gatheredCounts,
  NONE_DESCRIBED,
  type PlacedPack,
  type Sealer,
} from "./sealer.ts";

/** What sealing needs to know of a codec's records. */
export interface SealLayout {
  /** Channels of a side. */
  readonly channelCount: number;
  /** First tokens of a sequence that its first block keeps as they are. */
  readonly sinkCount: number;
  /** Sections that are measured; 0 if all records have the same size. */
  readonly sectionCount: number;
  /** Words of payload of a side that are not measured, in each record of a sealed store. */
  fixedPayloadWords(side: Side, sealedIndex: number): number;
  /** Side of a section. */
  sideOf(section: number): Side;
  /** Words of a record beyond its fixed ones, from a section's measured size. */
  sizeWords?(size: number): number;
  /** Whether tokens of a record are described by others, from its first section's size. */
  isDescribed?(size: number): boolean;
  /** Words of a record of a sealed store, from those of its payload that are measured. */
  recordWords(payloadWords: number, hasSinks: boolean, sealedIndex: number): number;
  /** Where the values of a record lie, from its sections' sizes; left out if they cannot move. */
  valuePart?(sizes: Uint32Array, hasSinks: boolean): ValuePart;
  /** Words of a record beside its payload that are counted to a side; padding to none. */
  sideWords(side: Side): number;
}

/** A measured block to pack. */
export interface SealedPack {
  /** Its index among the blocks that were measured. */
  scratchIndex: number;
  /** Tokens before it are sinks. */
  firstToken: number;
  /** Word offset of the record of each sealed store in its arena, or `NO_RECORD`. */
  targets: readonly number[];
  /** Tokens that are packed of each sealed store. */
  packedCounts: readonly number[];
  /** What places of values are counted from, in the arena of each sealed store. */
  valueBases: readonly number[];
}

/** Blocks that a step measures: quantised ones, then those that are gathered. */
export interface SealedMeasures {
  quantisedCount: number;
  /** By sealed store. */
  gathers: readonly GatherJob[];
  /** By job and sealed store: tokens that are packed. */
  packedCounts: readonly (readonly number[])[];
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
  /** Encodes quantising, ordering, gathering and measuring all sealed stores of blocks. */
  encodeMeasures(pass: GPUComputePassEncoder, measures: SealedMeasures): void;
  /** Encodes the packing of at least one block. */
  encodePacks(encoder: GPUCommandEncoder, packs: readonly SealedPack[]): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** A kernel that packs the records of an arena group. */
interface PackKernel {
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void;
}

/** Encodes a kernel for all arena groups; `bound` holds its buffers by group. */
export function encodeByGroup(
  encoder: GPUCommandEncoder,
  { cache, kernel, bound }: { cache: KvCache; kernel: PackKernel; bound: readonly GPUBindGroup[] },
  jobCount: number,
): void {
  const pass = encoder.beginComputePass({ label: "pack" });
  cache.sealedGroups.forEach(({ count: storeCount }, group) => {
    kernel.encode(pass, bound[group], { jobCount, storeCount });
  });
  pass.end();
}

/** Seals blocks with the kernels of a codec. */
export class BlockSealer implements Sealer {
  readonly resultSizeBytes: number;
  #gpu: Gpu;
  #cache: KvCache;
  #kernels: SealKernels;
  /** Of the blocks measured last, by job and store; null where records are whole. */
  #valueParts: readonly (readonly (ValuePart | null)[])[] = [];
  #describedCounts = NONE_DESCRIBED;
  #totals = { recordCount: 0, tokenCount: 0, payloadWords: [0, 0] };

  /** Takes ownership of the kernels. */
  constructor(gpu: Gpu, parts: { cache: KvCache; kernels: SealKernels }) {
    this.#gpu = gpu;
    this.#cache = parts.cache;
    this.#kernels = parts.kernels;
    const { slotCount } = parts.cache.shape;
    this.resultSizeBytes = (this.#sizeWordsPerJob + 1) * slotCount * WORD_SIZE_BYTES;
  }

  encodeMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void {
    if (measures.length === 0) return;
    const { sealed, windowTileCount } = this.#cache;
    const jobs = measures.map(({ slot, blockIndex }) => {
      const scratchIndex = this.#firstToken(blockIndex);
      const tokenCount = BLOCK_TOKEN_COUNT - scratchIndex;
      return { slot, tile: tileOf(blockIndex, windowTileCount), tokenCount, scratchIndex };
    });
    const gathers = measures.flatMap(({ gather }, scratchIndex) =>
      gather ? [gatherJob(gather, { scratchIndex, sealed })] : []
    );
    const packedCounts = measures.map(({ gather, blockIndex }) =>
      sealed.map(({ store }) =>
        Math.max(
          0,
          (gather?.tokenCounts[store] ?? BLOCK_TOKEN_COUNT) - this.#firstToken(blockIndex),
        )
      )
    );
    const quantisedCount = measures.length - gathers.length;
    this.#gpu.write(this.#kernels.measureJobs, 0, packJobWords(jobs));
    encoder.clearBuffer(this.#kernels.flags);
    const pass = encoder.beginComputePass({ label: "measure" });
    this.#kernels.encodeMeasures(pass, { quantisedCount, gathers, packedCounts });
    pass.end();
  }

  encodePacks(encoder: GPUCommandEncoder, packs: readonly PlacedPack[]): void {
    if (packs.length === 0) return;
    const sealed = packs.map((pack) => {
      const { blockIndex, jobIndex, recordOffsets, tokenCounts, valueBases } = pack;
      const firstToken = this.#firstToken(blockIndex);
      const countOf = (store: number) => tokenCounts?.[store] ?? BLOCK_TOKEN_COUNT;
      const { sealed: stores } = this.#cache;
      const targets = stores.map(({ store }) =>
        countOf(store) === 0 ? NO_RECORD : recordOffsets[store]
      );
      const packedCounts = stores.map(({ store }) => Math.max(0, countOf(store) - firstToken));
      const bases = stores.map(({ store }, index) => valueBases?.[store] ?? targets[index]);
      return { scratchIndex: jobIndex, firstToken, targets, packedCounts, valueBases: bases };
    });
    this.#kernels.encodePacks(encoder, sealed);
  }

  valueParts({ jobIndex }: Pick<PackOp, "jobIndex">): readonly (ValuePart | null)[] {
    return this.#valueParts[jobIndex];
  }

  encodeResultCopy(
    encoder: GPUCommandEncoder,
    readBack: ReadBack,
    targetOffsetBytes: number,
  ): void {
    const { slotCount } = this.#cache.shape;
    const { sizes, flags } = this.#kernels;
    const sizeBytes = this.#sizeWordsPerJob * slotCount * WORD_SIZE_BYTES;
    if (sizes) readBack.encodeCopy(encoder, sizes, { sizeBytes, targetOffsetBytes });
    readBack.encodeCopy(encoder, flags, {
      sizeBytes: slotCount * WORD_SIZE_BYTES,
      targetOffsetBytes: targetOffsetBytes + sizeBytes,
    });
  }

  readResults(
    measures: readonly MeasureOp[],
    words: Uint32Array,
  ): Pick<StepResult, "recordWords" | "refused" | "tokenCounts"> {
    const { sealed, shape: { slotCount, stores } } = this.#cache;
    const flags = words.subarray(this.#sizeWordsPerJob * slotCount);
    const refused = [...measures.keys()].filter((job) => flags[job] !== 0);
    const valueParts = measures.map(() => new Array<ValuePart | null>(stores.length).fill(null));
    if (measures.length > 0) this.#valueParts = valueParts;
    const recordWords = measures.map(({ blockIndex, gather }, job) => {
      const firstToken = this.#firstToken(blockIndex);
      const storeWords = new Array<number>(stores.length).fill(0);
      sealed.forEach(({ store }, sealedIndex) => {
        if (gather?.tokenCounts[store] === 0) return;
        const at = { job, sealedIndex, firstToken, isCounted: gather === undefined };
        const wordCount = this.#addRecord(words, at);
        const part = stores[store].hasValuesApart ? this.#valuePart(words, at) : null;
        valueParts[job][store] = part;
        storeWords[store] = part?.keyWords ?? wordCount;
      });
      return storeWords;
    });
    return { recordWords, refused, ...gatheredCounts(measures, stores.length) };
  }

  bitsPerElement(): { k: number; v: number } {
    return { k: this.#bits(KEY), v: this.#bits(VALUE) };
  }

  payloadBitsPerElement(): { k: number; v: number } {
    const { payloadWords } = this.#totals;
    return { k: this.#perElement(payloadWords[KEY]), v: this.#perElement(payloadWords[VALUE]) };
  }

  get describedCounts(): DescribedCounts {
    return this.#describedCounts;
  }

  beginCounts(): void {
    this.#describedCounts = NONE_DESCRIBED;
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

  #valuePart(
    words: Uint32Array,
    { job, sealedIndex, firstToken }: { job: number; sealedIndex: number; firstToken: number },
  ): ValuePart {
    const { layout } = this.#kernels;
    const start = job * this.#sizeWordsPerJob + sealedIndex * layout.sectionCount;
    const sizes = words.subarray(start, start + layout.sectionCount);
    const part = layout.valuePart?.(sizes, firstToken > 0);
    invariant(part !== undefined, "the codec's values can lie apart");
    return part;
  }

  #addRecord(
    words: Uint32Array,
    { job, sealedIndex, firstToken, isCounted }: {
      job: number;
      sealedIndex: number;
      firstToken: number;
      /** Whether it is the first record of its tokens. */
      isCounted: boolean;
    },
  ): number {
    const { layout } = this.#kernels;
    const start = job * this.#sizeWordsPerJob + sealedIndex * layout.sectionCount;
    let payloadWords = 0;
    for (let section = 0; section < layout.sectionCount; section++) {
      const size = words[start + section];
      const sectionWords = layout.sizeWords?.(size) ?? size;
      payloadWords += sectionWords;
      if (isCounted) this.#totals.payloadWords[layout.sideOf(section)] += sectionWords;
    }
    const recordWords = layout.recordWords(payloadWords, firstToken > 0, sealedIndex);
    if (!isCounted) return recordWords;
    for (const side of [KEY, VALUE]) {
      this.#totals.payloadWords[side] += layout.fixedPayloadWords(side, sealedIndex);
    }
    this.#totals.recordCount++;
    if (layout.isDescribed) this.#countDescribed(layout.isDescribed(words[start]));
    this.#totals.tokenCount += BLOCK_TOKEN_COUNT - firstToken;
    return recordWords;
  }

  #countDescribed(isDescribed: boolean): void {
    const { describableRecordCount, describedRecordCount } = this.#describedCounts;
    this.#describedCounts = {
      describableRecordCount: describableRecordCount + 1,
      describedRecordCount: describedRecordCount + Number(isDescribed),
    };
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

/** What a kernel is given to gather a block, by sealed store. */
export function gatherJob(
  { sources, sinkRecords, keptChannels }: Gather,
  { scratchIndex, sealed }: { scratchIndex: number; sealed: readonly SealedStore[] },
): GatherJob {
  return {
    scratchIndex,
    sources: sealed.map(({ store }) => sources[store]),
    sinkRecords: sinkRecords && sealed.map(({ store }) => sinkRecords[store]),
    keptChannels: keptChannels && sealed.map(({ store }) => keptChannels[store]),
  };
}
