/**
 * Values of sealed blocks in host memory, beside keys on the device: made on the device, copied to
 * the host once, and brought back to a pool behind the records when a row reads them. The section
 * table of a record says where its values are, wherever that is.
 *
 * @module
 */

import type { ValuePart } from "../codec/record.ts";
import { invariant } from "../core/errors.ts";
import { NO_RECORD } from "../core/row.ts";
import { alignUp, RECORD_ALIGN_WORDS, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { CommandChain } from "../gpu/command_chain.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack } from "../gpu/read_back.ts";
import { EXTENT_UNIT_WORDS } from "../scheduler/allocator.ts";
import type { LinkOp, PackOp } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";
import { keepsAll } from "./store.ts";
import { type BlockValues, ValuePool } from "./value_pool.ts";

/** What was brought to the device since loading. */
export interface ValueCounts {
  /** Blocks of a store, for decode rows. */
  fetchedBlockCount: number;
  /** The same for rows of prompts. */
  fetchedPromptBlockCount: number;
  /** Bytes of values on the host now, and of those that the device has too. */
  valueBytes: { host: number; device: number };
}

/** Counts where all values are on the device. */
export const NO_VALUES: ValueCounts = {
  fetchedBlockCount: 0,
  fetchedPromptBlockCount: 0,
  valueBytes: { host: 0, device: 0 },
};

/** Values of the blocks of one cache. */
export class HostValues {
  #gpu: Gpu;
  #cache: KvCache;
  /** By arena group; null where all records are whole. */
  #pools: readonly (ValuePool | null)[];
  /** How much longer host memory takes for the values of a block: to measure slower ones. */
  readMicroseconds = 0;
  /** By store, then by first word of the record. */
  #values: readonly Map<number, BlockValues>[];
  /** By slot: records of each entry of its read list, by store; of those with values apart. */
  #lists: number[][][];
  /** Where new values are copied to; as large as was needed so far. */
  #readBack: { buffer: ReadBack; sizeBytes: number } | null = null;
  #counts = { fetchedBlockCount: 0, fetchedPromptBlockCount: 0 };
  #hostBytes = 0;

  /** Of a cache that has stores with values apart. */
  constructor(gpu: Gpu, cache: KvCache) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#pools = cache.shape.groups.map((group) =>
      group.valueWordCount > 0 ? new ValuePool(group) : null
    );
    this.#values = cache.shape.stores.map(() => new Map<number, BlockValues>());
    this.#lists = Array.from({ length: cache.shape.slotCount }, () => []);
  }

  /** What moved so far. */
  get counts(): ValueCounts {
    const words = this.#pools.reduce((sum, pool) => sum + (pool?.residentWordCount ?? 0), 0);
    const valueBytes = { host: this.#hostBytes, device: words * WORD_SIZE_BYTES };
    return { ...this.#counts, valueBytes };
  }

  /** Begins to count from 0. */
  beginCounts(): void {
    this.#counts = { fetchedBlockCount: 0, fetchedPromptBlockCount: 0 };
  }

  /** Says that another step begins. */
  beginStep(): void {
    for (const pool of this.#pools) pool?.beginStep();
  }

  /** Whether the values of a store's blocks lie here. */
  has(store: number): boolean {
    return this.#cache.shape.stores[store].hasValuesApart;
  }

  /** Notes a block that a slot can read from now on, of the stores that it is of. */
  link({ slot, listIndex, recordOffsets }: Pick<LinkOp, "slot" | "listIndex" | "recordOffsets">) {
    const entry = this.#lists[slot][listIndex] ??= [];
    for (const [store, record] of recordOffsets.entries()) {
      if (this.has(store) && record !== NO_RECORD) entry[store] = record;
    }
  }

  /**
   * Lets the record of a store have so many more words that whatever blocks the arena holds, the
   * pool has room for their values of one store.
   */
  padRecords(recordWords: readonly number[], parts: readonly (ValuePart | null)[]): number[] {
    const padded = [...recordWords];
    for (const { firstStore, storeCount, wordCount, valueWordCount } of this.#cache.shape.groups) {
      const stores = Array.from({ length: storeCount }, (_, index) => firstStore + index)
        .filter((store) => keepsAll(this.#cache.shape.stores[store]));
      const words = stores.reduce((sum, store) => sum + recordWords[store], 0);
      const last = stores.findLast((store) => parts[store] !== null);
      if (last === undefined) continue;
      const largest = Math.max(...stores.map((store) => parts[store]?.wordCount ?? 0));
      const needed = Math.ceil(alignUp(largest, EXTENT_UNIT_WORDS) * wordCount / valueWordCount);
      if (needed <= words) continue;
      padded[last] += alignUp(needed - words, RECORD_ALIGN_WORDS);
    }
    return padded;
  }

  /**
   * Gives the values of a new block places in the pools.
   *
   * @param parts Of its records, by store.
   * @returns By store: what the places of its values are counted from; null for whole records.
   */
  place(
    { recordOffsets }: Pick<PackOp, "recordOffsets">,
    parts: readonly (ValuePart | null)[],
  ): (number | null)[] {
    const bases = new Array<number | null>(parts.length).fill(null);
    for (const [index, { firstStore, storeCount }] of this.#cache.shape.groups.entries()) {
      const own: BlockValues[] = [];
      for (let store = firstStore; store < firstStore + storeCount; store++) {
        const [part, record] = [parts[store], recordOffsets[store]];
        if (part === null || record === NO_RECORD) continue;
        own.push({ record, store, part, words: null, place: null, step: 0 });
      }
      if (own.length === 0) continue;
      const pool = this.#pools[index];
      invariant(pool !== null, "the group has room for values");
      for (const gone of pool.add(own)) this.#forget(gone);
      pool.place(new Set(own));
      for (const each of own) {
        this.#values[each.store].set(each.record, each);
        bases[each.store] = this.#baseOf(each);
      }
    }
    return bases;
  }

  /** Runs what is encoded, the packing of a block among it, and takes its values to the host. */
  take(commands: CommandChain, { recordOffsets }: Pick<PackOp, "recordOffsets">): void {
    const own = recordOffsets.flatMap((record, store) => this.#values[store].get(record) ?? []);
    if (own.length === 0) return;
    const sizeBytes = own.reduce((sum, { part }) => sum + part.wordCount, 0) * WORD_SIZE_BYTES;
    const readBack = this.#readBackOf(sizeBytes);
    let targetOffsetBytes = 0;
    for (const values of own) {
      const offsetBytes = this.#wordOf(values) * WORD_SIZE_BYTES;
      const bytes = values.part.wordCount * WORD_SIZE_BYTES;
      const range = { offsetBytes, sizeBytes: bytes, targetOffsetBytes };
      readBack.encodeCopy(commands.encoder, this.#arenaOf(values), range);
      targetOffsetBytes += bytes;
    }
    commands.submit();
    const words = new Uint32Array(readBack.readNow(sizeBytes));
    let start = 0;
    for (const values of own) {
      values.words = words.slice(start, start + values.part.wordCount);
      start += values.part.wordCount;
    }
    this.#hostBytes += sizeBytes;
  }

  /**
   * Brings values of blocks of a store to the device, all of them together. What was encoded is
   * submitted already: it reads what may be overwritten now.
   *
   * @param entries Of read lists.
   */
  bring(
    store: number,
    entries: Iterable<{ slot: number; listIndex: number }>,
    readers: "decode rows" | "prompt",
  ): void {
    const needed = new Set<BlockValues>();
    for (const { slot, listIndex } of entries) {
      const values = this.#values[store].get(this.#lists[slot][listIndex][store]);
      invariant(values !== undefined, "each block in a read list has its values here");
      needed.add(values);
    }
    const moved = this.#poolOf(store).place(needed);
    for (const values of moved) this.#upload(values);
    const count = readers === "prompt" ? "fetchedPromptBlockCount" : "fetchedBlockCount";
    this.#counts[count] += moved.length;
  }

  /** Frees the staging buffer. */
  destroy(): void {
    this.#readBack?.buffer.destroy();
  }

  #upload(values: BlockValues): void {
    const { record, part, words } = values;
    invariant(words !== null, "the values are on the host");
    if (this.readMicroseconds > 0) spend(this.readMicroseconds);
    const arena = this.#arenaOf(values);
    this.#gpu.write(arena, this.#wordOf(values) * WORD_SIZE_BYTES, words);
    const offset = this.#baseOf(values) - record;
    const table = Uint32Array.from(part.sections, (start) => offset + start);
    this.#gpu.write(arena, (record + part.tableWord) * WORD_SIZE_BYTES, table);
  }

  #forget({ store, record, words }: BlockValues): void {
    this.#values[store].delete(record);
    this.#hostBytes -= words?.byteLength ?? 0;
  }

  #arenaOf({ store }: BlockValues): GPUBuffer {
    return this.#cache.arenaOfStore(store);
  }

  #poolOf(store: number): ValuePool {
    const pool = this.#pools[this.#cache.shape.stores[store].group];
    invariant(pool !== null, "the group has room for values");
    return pool;
  }

  /** First word of the values in the arena. */
  #wordOf({ store, place }: BlockValues): number {
    invariant(place !== null, "the values have a place");
    return this.#poolOf(store).firstWord + place.offset;
  }

  /** Where the record would begin if it were whole and its values where they are. */
  #baseOf(values: BlockValues): number {
    return this.#wordOf(values) - values.part.firstWord;
  }

  #readBackOf(sizeBytes: number): ReadBack {
    if (this.#readBack === null || this.#readBack.sizeBytes < sizeBytes) {
      this.#readBack?.buffer.destroy();
      const buffer = ReadBack.create(this.#gpu, "new values", sizeBytes);
      this.#readBack = { buffer, sizeBytes };
    }
    return this.#readBack.buffer;
  }
}

/** Lets time pass, as a slower memory does. */
function spend(microseconds: number): void {
  const endMs = performance.now() + microseconds / 1000;
  while (performance.now() < endMs) { /* a timer is not as fine */ }
}
