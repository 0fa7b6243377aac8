/**
 * Blocks in a Valkey or Redis store that several servers share: the bytes of the disk tier's files,
 * under the block's name. While the store does not answer every block is a miss.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type WantedBlock, wantedKeys } from "../scheduler/beginning.ts";
import { packBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";
import { FetchLimit } from "./fetch_limit.ts";
import { leftOf, type StoreAddress, StoreConnection } from "./store_connection.ts";
import type { StoreCounts } from "./store_counts.ts";
import { UnpackPool } from "./unpack_pool.ts";

/** Larger values are none of ours. */
const VALUE_SIZE_BYTES_MAX = 2 ** 28;
/** Bytes that are asked for at a time: the next look-up waits behind them. */
const READ_BYTES_MAX = 2 ** 24;
/** Sizes that are kept of blocks that were looked for. */
const KNOWN_SIZE_COUNT_MAX = 2 ** 16;
/** A block that large has twice the time to be written. */
const WRITE_BYTES_PER_TIMEOUT = 2 ** 20;

/** How to use a store. */
export interface StoreTierOptions extends StoreAddress {
  format: BlockFormat;
  /** What all keys begin with. */
  keyPrefix: string;
  /** Seconds after its last use that a block stays. */
  ttlSeconds: number;
  /** Most bytes that this process writes a second; null: as many as there are. */
  writeBytesPerSecond: number | null;
  /** Most threads that unpack blocks; 0, or left out: this one. */
  unpackWorkerCount?: number;
}

/** How to read blocks. */
export interface ReadOptions {
  /** Called with each block as soon as it is unpacked. */
  found: (block: StoredBlock) => void;
  /** Milliseconds that reading their tokens again would take; null: not known. */
  savedMs: number | null;
}

/**
 * What became of a block that was to be written: it is there; it was left out, since the store is
 * down or too much was written this second; or the store refused it, as when it is full.
 */
export type WriteOutcome = "there" | "skipped" | Error;

type Counts = Omit<StoreCounts, "isUp" | "failureCount">;

/** Timers may be early by so much. */
const TIMER_MS = 2;

/** The blocks of one cache in a store. */
export class StoreTier {
  readonly keys: readonly string[] = [];
  readonly usedBytes = 0;
  readonly #counts: Counts = {
    readBlockCount: 0,
    readBytes: 0,
    writtenBlockCount: 0,
    writtenBytes: 0,
    skippedBlockCount: 0,
    lateBlockCount: 0,
    damagedBlockCount: 0,
  };
  readonly #options: StoreTierOptions;
  readonly #store: StoreConnection;
  readonly #unpackers: UnpackPool;
  /** Bytes of what a look-up found and was not read yet. */
  readonly #sizes = new Map<string, number>();
  #allowanceBytes: number;
  #allowanceMs = performance.now();

  private constructor(options: StoreTierOptions, store: StoreConnection) {
    this.#options = options;
    this.#store = store;
    this.#unpackers = new UnpackPool(options.format, options.unpackWorkerCount ?? 0);
    this.#allowanceBytes = options.writeBytesPerSecond ?? 0;
  }

  /**
   * Connects. A store that cannot be reached is tried again later.
   *
   * @throws {Error} If the store refuses: a wrong password, or no such database.
   */
  static async open(options: StoreTierOptions): Promise<StoreTier> {
    return new StoreTier(options, await StoreConnection.open(options));
  }

  /** What was done so far. */
  get counts(): StoreCounts {
    const { isUp, failureCount } = this.#store;
    return { ...this.#counts, isUp, failureCount };
  }

  /** Which keys of blocks are there: one round trip for all of them. */
  async look(wanted: readonly WantedBlock[]): Promise<Set<string>> {
    const keys = wantedKeys(wanted);
    const sizes = await this.#askSizes(keys);
    if (this.#sizes.size > KNOWN_SIZE_COUNT_MAX) this.#sizes.clear();
    const found = keys.filter((key, index) => {
      const size = sizes[index];
      if (!isBlockSize(size)) return false;
      this.#sizes.set(key, size);
      return true;
    });
    return new Set(found);
  }

  /**
   * Reads blocks in one round trip, or in several if they are large, and lets them stay as long
   * again. What has not come by the end of a {@link FetchLimit} is left out, as what is not there
   * or damaged.
   */
  async read(keys: readonly string[], { found, savedMs }: ReadOptions): Promise<void> {
    const { timeoutMs } = this.#options;
    const limit = new FetchLimit(timeoutMs, { keyCount: keys.length, savedMs }, performance.now());
    const pending = new Set<Promise<void>>();
    let pendingBytes = 0;
    for (const key of keys) {
      const sizeBytes = this.#sizes.get(key) ?? 0;
      while (pending.size > 0 && pendingBytes + sizeBytes > READ_BYTES_MAX) {
        await Promise.race(pending);
      }
      const reading = this.#readOne(key, limit).then((block) => {
        pending.delete(reading);
        pendingBytes -= sizeBytes;
        if (block === null) return;
        limit.came(performance.now());
        found(block);
      });
      pending.add(reading);
      pendingBytes += sizeBytes;
    }
    await Promise.all(pending);
  }

  async #readOne(key: string, limit: FetchLimit): Promise<StoredBlock | null> {
    this.#sizes.delete(key);
    const leftMs = () => Math.max(0, limit.endMs - performance.now());
    const expiration = { type: "EX" as const, value: this.#options.ttlSeconds };
    const value = leftMs() === 0 ? null : await this.#store.ask(
      (client) => client.getEx(this.#nameOf(key), expiration),
      { leftMs },
    );
    const isLate = leftMs() <= TIMER_MS;
    if (isLate) this.#counts.lateBlockCount++;
    if (value === null || isLate) return null;
    const bytes = new Uint8Array(value);
    try {
      const block = await this.#unpackers.unpack(key, bytes);
      this.#counts.readBlockCount++;
      this.#counts.readBytes += bytes.length;
      return block;
    } catch (error) {
      this.#counts.damagedBlockCount++;
      console.error(`packkv: dropping a block of the store: ${(error as Error).message}`);
      void this.#store.ask((client) => client.unlink(this.#nameOf(key)));
      return null;
    }
  }

  /**
   * Writes the blocks that are not there: a round trip to look, and one for all that are missing.
   */
  async write(blocks: readonly StoredBlock[]): Promise<WriteOutcome[]> {
    if (this.#options.writeBytesPerSecond === 0) return blocks.map(() => this.#skip());
    const sizes = await this.#askSizes(blocks.map(({ key }) => key));
    const outcomes: Promise<WriteOutcome>[] = [];
    for (const [index, block] of blocks.entries()) {
      const size = sizes[index];
      if (size === null) outcomes.push(Promise.resolve(this.#skip()));
      else if (isBlockSize(size)) outcomes.push(Promise.resolve("there"));
      else outcomes.push(this.#writeOne(block));
      await nextTask(); // packing takes a while: look-ups pass it
    }
    return await Promise.all(outcomes);
  }

  async #writeOne(block: StoredBlock): Promise<WriteOutcome> {
    const bytes = packBlockFile(this.#options.format, block);
    if (!this.#mayWrite(bytes.length)) return this.#skip();
    const expiration = { type: "EX" as const, value: this.#options.ttlSeconds };
    const limitMs = this.#options.timeoutMs * (1 + bytes.length / WRITE_BYTES_PER_TIMEOUT);
    try {
      const reply = await this.#store.ask(
        (client) => client.set(this.#nameOf(block.key), Buffer.from(bytes.buffer), { expiration }),
        { throwsReplies: true, leftMs: leftOf(limitMs) },
      );
      if (reply === null) return this.#skip();
    } catch (error) {
      return error as Error;
    }
    this.#counts.writtenBlockCount++;
    this.#counts.writtenBytes += bytes.length;
    return "there";
  }

  /** Leaves the store. */
  close(): void {
    this.#unpackers.close();
    this.#store.close();
  }

  /** Bytes of values, 0 of those that are not there, null of those that were not answered. */
  #askSizes(keys: readonly string[]): Promise<(number | null)[]> {
    return Promise.all(
      keys.map((key) => this.#store.ask((client) => client.strLen(this.#nameOf(key)))),
    );
  }

  #skip(): "skipped" {
    this.#counts.skippedBlockCount++;
    return "skipped";
  }

  /** Whether bytes are within the rate; a whole second's may come at once. */
  #mayWrite(sizeBytes: number): boolean {
    const { writeBytesPerSecond: rate } = this.#options;
    if (rate === null) return true;
    const nowMs = performance.now();
    const gained = rate * (nowMs - this.#allowanceMs) / 1000;
    this.#allowanceBytes = Math.min(rate, this.#allowanceBytes + gained);
    this.#allowanceMs = nowMs;
    // A block larger than a second's bytes is paid for in advance.
    if (this.#allowanceBytes < Math.min(rate, sizeBytes)) return false;
    this.#allowanceBytes -= sizeBytes;
    return true;
  }

  #nameOf(key: string): string {
    return this.#options.keyPrefix + key;
  }
}

function isBlockSize(size: number | null): size is number {
  return size !== null && size > 0 && size <= VALUE_SIZE_BYTES_MAX;
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
