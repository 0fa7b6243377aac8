/**
 * Blocks in a Valkey or Redis store that several servers share: the bytes of the disk tier's files,
 * under the block's name. A store that does not answer in time, or not at all, is left alone until
 * it answers again; meanwhile every block is a miss.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import type { WantedBlock } from "../scheduler/beginning.ts";
import { packBlockFile, parseBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";
import type { StoreCounts } from "./store_counts.ts";

/** Pause before a store that failed is asked again, doubled each time. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 30_000;
/** Larger values are none of ours. */
const VALUE_SIZE_BYTES_MAX = 2 ** 28;

/** How to use a store. */
export interface StoreTierOptions {
  /** `redis://` or `rediss://` with user, password, host, port and database. */
  url: string;
  format: BlockFormat;
  /** What all keys begin with. */
  keyPrefix: string;
  /** Seconds after its last use that a block stays. */
  ttlSeconds: number;
  /** Most bytes that this process writes a second; null: as many as there are. */
  writeBytesPerSecond: number | null;
  /** Longest wait for an answer. */
  timeoutMs: number;
}

type Client = ReturnType<typeof makeClient>;

/** The blocks of one cache in a store. */
export class StoreTier {
  readonly keys: readonly string[] = [];
  readonly usedBytes = 0;
  readonly counts: StoreCounts = {
    isUp: false,
    readBlockCount: 0,
    readBytes: 0,
    writtenBlockCount: 0,
    writtenBytes: 0,
    skippedBlockCount: 0,
    damagedBlockCount: 0,
    failureCount: 0,
  };
  #options: StoreTierOptions;
  #client: Client | null = null;
  #retryMs = RETRY_MS_MIN;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #allowanceBytes = 0;
  #allowanceMs = performance.now();
  #isClosed = false;

  private constructor(options: StoreTierOptions) {
    this.#options = options;
    this.#allowanceBytes = options.writeBytesPerSecond ?? 0;
  }

  /**
   * Connects. A store that cannot be reached is tried again later.
   *
   * @throws {Error} If the store refuses: a wrong password, or no such database.
   */
  static async open(options: StoreTierOptions): Promise<StoreTier> {
    const tier = new StoreTier(options);
    const error = await tier.#connect();
    if (error instanceof ErrorReply) {
      tier.close();
      throw error;
    }
    return tier;
  }

  /** Which keys of blocks are there: one round trip for all of them. */
  async look(wanted: readonly WantedBlock[]): Promise<Set<string>> {
    const keys = wanted.flatMap(({ sealed, raw }) => [sealed, raw]).filter((key) => key !== null);
    const sizes = await Promise.all(
      keys.map((key) => this.#ask((client) => client.strLen(this.#nameOf(key)))),
    );
    return new Set(keys.filter((_, index) => {
      const size = Number(sizes[index] ?? 0);
      return size > 0 && size <= VALUE_SIZE_BYTES_MAX;
    }));
  }

  /** Reads a block, and lets it stay as long again; null if it is not there, or damaged. */
  async read(key: string): Promise<StoredBlock | null> {
    const expiration = { type: "EX" as const, value: this.#options.ttlSeconds };
    const value = await this.#ask((client) => {
      const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      return binary.getEx(this.#nameOf(key), expiration);
    });
    if (value === null) return null;
    try {
      const bytes = new Uint8Array(value as unknown as Uint8Array);
      const block = parseBlockFile(this.#options.format, key, bytes);
      this.counts.readBlockCount++;
      this.counts.readBytes += bytes.length;
      return block;
    } catch (error) {
      this.counts.damagedBlockCount++;
      console.error(`packkv: dropping a block of the store: ${(error as Error).message}`);
      void this.#ask((client) => client.unlink(this.#nameOf(key)));
      return null;
    }
  }

  /**
   * Writes a block unless it is there.
   *
   * @returns Null if it was left out: the store is down, or too much was written this second.
   * @throws {Error} If the store refuses it, as when it is full.
   */
  async write(block: StoredBlock): Promise<string[] | null> {
    const name = this.#nameOf(block.key);
    if (this.#options.writeBytesPerSecond === 0) return this.#skip();
    const size = await this.#ask((client) => client.strLen(name));
    if (size === null) return this.#skip();
    if (Number(size) > 0) return [];
    const bytes = packBlockFile(this.#options.format, block);
    if (!this.#mayWrite(bytes.length)) return this.#skip();
    const expiration = { type: "EX" as const, value: this.#options.ttlSeconds };
    const reply = await this.#ask(
      (client) => client.set(name, Buffer.from(bytes.buffer), { expiration }),
      { throwsReplies: true },
    );
    if (reply === null) return this.#skip();
    this.counts.writtenBlockCount++;
    this.counts.writtenBytes += bytes.length;
    return [];
  }

  /** Leaves the store. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#client?.destroy();
    this.#client = null;
    this.counts.isUp = false;
  }

  #skip(): null {
    this.counts.skippedBlockCount++;
    return null;
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

  /** What the store answers within the time; null if it does not, or refuses. */
  async #ask<T>(
    command: (client: Client) => Promise<T>,
    { throwsReplies = false } = {},
  ): Promise<T | null> {
    const client = this.#client;
    if (client === null) return null;
    try {
      return await within(this.#options.timeoutMs, command(client));
    } catch (error) {
      if (!(error instanceof ErrorReply)) this.#giveUp(client, error as Error);
      else if (throwsReplies) throw error;
      return null;
    }
  }

  /** The error if it failed, null if there is a connection then. */
  async #connect(): Promise<Error | null> {
    const client = makeClient(this.#options);
    client.on("error", (error: Error) => this.#giveUp(client, error));
    try {
      await within(this.#options.timeoutMs, client.connect());
      if (this.#isClosed) client.destroy();
      else this.#client = client;
      this.#retryMs = RETRY_MS_MIN;
      this.counts.isUp = !this.#isClosed;
      return null;
    } catch (error) {
      if (client.isOpen) client.destroy();
      this.#tryLater(error as Error);
      return error as Error;
    }
  }

  #giveUp(client: Client, error: Error): void {
    if (this.#client !== client) return; // given up already
    this.#client = null;
    if (client.isOpen) client.destroy();
    this.#tryLater(error);
  }

  #tryLater({ message }: Error): void {
    this.counts.isUp = false;
    this.counts.failureCount++;
    if (this.#isClosed) return;
    const seconds = this.#retryMs / 1000;
    console.error(`packkv: the store of blocks fails, next try in ${seconds} s: ${message}`);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }

  #nameOf(key: string): string {
    return this.#options.keyPrefix + key;
  }
}

function makeClient({ url, timeoutMs }: StoreTierOptions) {
  return createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: timeoutMs, reconnectStrategy: false },
  });
}

/** @throws {Error} If it takes longer. */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  promise.catch(() => {}); // it may fail after the time
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
