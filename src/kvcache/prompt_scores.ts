/**
 * What the last queries of prompts say, on the device: the attention that tokens got from them, as
 * sums for each slot, and what one last query gave by head; and how large queries and keys are by
 * channel.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { ReadBack } from "../gpu/read_back.ts";
import { observedWords } from "../kernels/attention_scores/raw.ts";
import type { SliceObservation } from "../scheduler/keep/keeping.ts";
import type { StoreScores } from "../scheduler/keep/method.ts";
import type { PrefillSlice, StepResult } from "../scheduler/step_plan.ts";
import { keepsAll } from "./store.ts";
import type { KvCache } from "./kv_cache.ts";

/** Words of the uniform that says which rows count. */
const OBSERVED_WORDS = 4;

/** Scores on their way to the host. */
export interface StagedScores {
  readBack: ReadBack;
  /** By store; null for one that does not keep all. */
  stores: readonly ({ offset: number; headCount: number } | null | "as before")[];
  tokenCount: number;
  /** Numbers of each of the two rows of channels behind those of tokens; 0 for none. */
  channelCount: number;
  sizeBytes: number;
}

/** Buffers of one cache. */
export class PromptScores {
  /** Tokens of a sequence that there is room for. */
  readonly tokenCountMax: number;
  /** First tokens that a first record has behind the others. */
  readonly sinkCount: number;
  /** Of `observedWords`. */
  readonly observed: GPUBuffer;
  #gpu: Gpu;
  #cache: KvCache;
  #queryHeadCount: number;
  /** By store: f32 `[slots + query heads][tokenCountMax]`. */
  #scores: (GPUBuffer | null)[];
  /** By store: f32 `[slots + 1][kvHeadCount * headSize]`, of queries, the last of keys. */
  #channels: (GPUBuffer | null)[];
  #observation: SliceObservation | null = null;

  /** Allocates them for all stores that seal and keep all. */
  constructor(
    gpu: Gpu,
    cache: KvCache,
    options: { queryHeadCount: number; sinkCount: number; contextLength: number },
  ) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#queryHeadCount = options.queryHeadCount;
    this.sinkCount = options.sinkCount;
    this.tokenCountMax = Math.ceil(options.contextLength / BLOCK_TOKEN_COUNT) * BLOCK_TOKEN_COUNT;
    const rowCount = cache.shape.slotCount + options.queryHeadCount;
    const sizeBytes = rowCount * this.tokenCountMax * WORD_SIZE_BYTES;
    this.#scores = cache.shape.stores.map((own, store) =>
      keepsAll(own) ? gpu.createBuffer(`scores ${store}`, sizeBytes) : null
    );
    const { kvHeadCount, headSize, slotCount } = cache.shape;
    const channelBytes = (slotCount + 1) * kvHeadCount * headSize * WORD_SIZE_BYTES;
    this.#channels = cache.shape.stores.map((own, store) =>
      keepsAll(own) ? gpu.createBuffer(`channel scores ${store}`, channelBytes) : null
    );
    this.observed = gpu.createBuffer("observed rows", OBSERVED_WORDS * WORD_SIZE_BYTES, {
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /** Where the scores of the store of a layer go; null if the layer's own are not summed up. */
  scoresOf(layer: number): { scores: BufferSlice; channels: BufferSlice } | null {
    const store = this.#cache.storeOf(layer);
    const [scores, channels] = [this.#scores[store], this.#channels[store]];
    if (this.#cache.shape.stores[store].layer !== layer || !scores || !channels) return null;
    const whole = (buffer: GPUBuffer) => ({ buffer, offset: 0, size: buffer.size });
    return { scores: whole(scores), channels: whole(channels) };
  }

  /** Whether channels are summed up too in the slice that was begun. */
  get needsChannels(): boolean {
    return this.#observation?.needsChannels ?? false;
  }

  /** Says what of the slice encoded next is observed. */
  begin(slice: PrefillSlice): void {
    this.#observation = slice.observed ?? null;
    if (this.#observation === null) return;
    const { firstRow, isFirst, needsLastQuery } = this.#observation;
    const { slotCount } = this.#cache.shape;
    const lastStart = needsLastQuery ? slotCount * this.tokenCountMax : 0;
    const rowCount = slice.ids.length;
    this.#gpu.write(this.observed, 0, observedWords({ firstRow, rowCount, isFirst, lastStart }));
  }

  /** Whether the attention of a layer is summed up in the slice that was begun. */
  isObserved(layer: number): boolean {
    if (this.#observation === null || this.scoresOf(layer) === null) return false;
    return this.#isFirstOfItsOwn(this.#cache.storeOf(layer));
  }

  /** Encodes the copy of what a prompt got, once its last slice is encoded; null if nothing. */
  encodeCopy(encoder: GPUCommandEncoder, slice: PrefillSlice | null): StagedScores | null {
    if (!slice?.observed || !slice.isLast) return null;
    const tokenCount = slice.position + slice.ids.length;
    const headCount = slice.observed.needsLastQuery ? this.#queryHeadCount : 0;
    const rowBytes = tokenCount * WORD_SIZE_BYTES;
    const { kvHeadCount, headSize, slotCount } = this.#cache.shape;
    const channelCount = slice.observed.needsChannels ? kvHeadCount * headSize : 0;
    const channelBytes = channelCount * WORD_SIZE_BYTES;
    let sizeBytes = 0;
    const stores = this.#scores.map((buffer, store) => {
      if (buffer === null) return null;
      if (!this.#isFirstOfItsOwn(store)) return "as before";
      const offset = sizeBytes;
      sizeBytes += (1 + headCount) * rowBytes + 2 * channelBytes;
      return { offset, headCount };
    });
    const readBack = ReadBack.create(this.#gpu, "prompt scores", sizeBytes);
    for (const [store, place] of stores.entries()) {
      if (place === null || place === "as before") continue;
      for (let row = 0; row <= headCount; row++) {
        const from = row === 0 ? slice.slot : slotCount + row - 1;
        readBack.encodeCopy(encoder, this.#scores[store]!, {
          offsetBytes: from * this.tokenCountMax * WORD_SIZE_BYTES,
          sizeBytes: rowBytes,
          targetOffsetBytes: place.offset + row * rowBytes,
        });
      }
      if (channelCount === 0) continue;
      for (const [row, from] of [slice.slot, slotCount].entries()) {
        readBack.encodeCopy(encoder, this.#channels[store]!, {
          offsetBytes: from * channelBytes,
          sizeBytes: channelBytes,
          targetOffsetBytes: place.offset + (1 + headCount) * rowBytes + row * channelBytes,
        });
      }
    }
    return { readBack, stores, tokenCount, channelCount, sizeBytes };
  }

  /** Reads the scores of a submitted step. */
  async read(staged: StagedScores | null): Promise<Pick<StepResult, "scores">> {
    if (staged === null) return {};
    const { readBack, stores, tokenCount, channelCount, sizeBytes } = staged;
    const values = new Float32Array(await readBack.read(sizeBytes));
    readBack.destroy();
    const scores = stores.map((place): StoreScores | null | "as before" => {
      if (place === null || place === "as before") return place;
      const start = place.offset / WORD_SIZE_BYTES;
      const [sums, ...lastByHead] = Array.from(
        { length: 1 + place.headCount },
        (_, row) => values.subarray(start + row * tokenCount, start + (row + 1) * tokenCount),
      );
      if (channelCount === 0) return { sums, lastByHead };
      const behind = start + (1 + place.headCount) * tokenCount;
      const [queries, keys] = [0, 1].map((row) =>
        values.subarray(behind + row * channelCount, behind + (row + 1) * channelCount)
      );
      const { headSize } = this.#cache.shape;
      return { sums, lastByHead, channels: { headSize, queries, keys } };
    });
    return { scores };
  }

  /** Frees its buffers. */
  destroy(): void {
    for (const buffer of [...this.#scores, ...this.#channels, this.observed]) {
      if (buffer) this.#gpu.destroyBuffer(buffer);
    }
  }

  /** Whether a store is the first of those that keep the same. */
  #isFirstOfItsOwn(store: number): boolean {
    const index = this.#scores.slice(0, store).filter((scores) => scores !== null).length;
    return index % this.#observation!.storesTogether === 0;
  }
}
