/**
 * The step loop's face of the disk tier or the store: which blocks are there, writing behind,
 * fetching.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { type WantedBlock, wantedKeys } from "../scheduler/beginning.ts";
import { type BlockWatcher, NO_WATCHER } from "../scheduler/block_events.ts";
import type { StoredBlock } from "./block_format.ts";
import { FetchLimit } from "./fetch_limit.ts";
import type { StoreCounts } from "./store_counts.ts";
import type { FromTierWorker, TierOptions, ToTierWorker } from "./tier_worker.ts";

/** Pause of writing after a failure, such as a full disk. */
const PAUSE_MS = 30_000;
/** Blocks that may wait to be written; more are not written. */
const PENDING_COUNT_MAX = 256;

/** Longest wait at the end for a store to take what is still to be written. */
const STORE_CLOSE_MS_MAX = 300;
/** What a worker may add to the time-outs of its store. */
const STORE_MARGIN_MS = 100;

/** Blocks that are being read: those that have come, and who waits for them. */
interface Fetch {
  blocks: StoredBlock[];
  /** Null: as long as it takes. */
  limit: FetchLimit | null;
  timer?: ReturnType<typeof setTimeout>;
  resolve: (blocks: readonly StoredBlock[]) => void;
}

/** Blocks of one cache on disk or in a store, behind a worker. */
export class TierClient {
  #worker: Worker;
  #keys = new Set<string>();
  #pending = new Set<string>();
  #fetches = new Map<number, Fetch>();
  #looks = new Map<number, (found: ReadonlySet<string>) => void>();
  #nextRequestId = 1;
  #pausedUntilMs = 0;
  #hasFailed = false;
  #usedBytes = 0;
  #opened = Promise.withResolvers<void>();
  #closed = Promise.withResolvers<void>();

  readonly #watcher: BlockWatcher;
  #counts: StoreCounts | null = null;
  /** Where blocks go, for messages. */
  #place: string;
  /** Longest wait of the worker for an answer of the store; infinite without one. */
  #timeoutMs: number;

  private constructor(options: TierOptions, watcher: BlockWatcher) {
    this.#watcher = watcher;
    this.#place = "url" in options ? "the store" : "disk";
    this.#timeoutMs = "url" in options ? options.timeoutMs : Infinity;
    this.#worker = new Worker(new URL("./tier_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromTierWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(`its worker ended: ${event.message}`);
    };
  }

  /**
   * Opens the tier and reads its index.
   *
   * @throws {EngineError} `invalid_request` if the folder cannot be used.
   */
  static async open(options: TierOptions, watcher = NO_WATCHER): Promise<TierClient> {
    const client = new TierClient(options, watcher);
    client.#send({ type: "open", options });
    try {
      await client.#opened.promise;
    } catch (error) {
      const isStore = "url" in options;
      const place = isStore ? "the store" : options.folder;
      const state = `Cannot use ${place} for blocks: ${(error as Error).message}`;
      const param = isStore ? "storeUrl" : "diskFolder";
      throw new EngineError("invalid_request", state, { param });
    }
    return client;
  }

  /** What was done with the store; null of a disk. */
  get counts(): StoreCounts | null {
    return this.#counts;
  }

  /** Bytes of all files; 0 of a store. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Which keys of blocks are on disk. Those that are not known are looked for in the folder, since
   * other processes may have written them.
   *
   * @param wanted Blocks of a prompt, in its order.
   */
  look(wanted: readonly WantedBlock[]): Promise<ReadonlySet<string>> {
    const keys = wantedKeys(wanted);
    const isKnown = keys.every((key) => this.#keys.has(key));
    const { promise, resolve } = Promise.withResolvers<ReadonlySet<string>>();
    if (isKnown || this.#hasFailed) {
      const found = keys.filter((key) => this.#keys.has(key));
      this.#note(found);
      resolve(new Set(found));
      return promise;
    }
    const requestId = this.#nextRequestId++;
    this.#looks.set(requestId, resolve);
    this.#send({ type: "look", requestId, wanted });
    if (this.#timeoutMs !== Infinity) {
      const timer = setTimeout(() => {
        this.#looks.delete(requestId);
        resolve(new Set());
      }, this.#timeoutMs + STORE_MARGIN_MS);
      void promise.then(() => clearTimeout(timer));
    }
    return promise;
  }

  /** Queues a block for writing, unless it is there, too many wait, or writing has failed. */
  write(block: StoredBlock): void {
    const { key } = block;
    if (this.#keys.has(key) || this.#pending.has(key)) return;
    if (this.#pending.size >= PENDING_COUNT_MAX || performance.now() < this.#pausedUntilMs) return;
    this.#pending.add(key);
    this.#send({ type: "write", block });
  }

  /**
   * Reads blocks; those that are lost, damaged or late are left out.
   *
   * @param savedMs How long reading their tokens again would take; null if that is not known.
   */
  fetch(keys: readonly string[], savedMs: number | null): Promise<readonly StoredBlock[]> {
    if (this.#hasFailed) return Promise.resolve([]);
    const requestId = this.#nextRequestId++;
    const { promise, resolve } = Promise.withResolvers<readonly StoredBlock[]>();
    const limit = this.#timeoutMs === Infinity
      ? null
      : new FetchLimit(this.#timeoutMs, { keyCount: keys.length, savedMs }, performance.now());
    this.#fetches.set(requestId, { blocks: [], resolve, limit });
    this.#send({ type: "fetch", requestId, keys, savedMs });
    if (limit) this.#watch(requestId, limit);
    return promise;
  }

  /** Writes what waits and ends the worker. */
  async close(): Promise<void> {
    this.#send({ type: "close" });
    if (this.#timeoutMs !== Infinity) {
      setTimeout(() => this.#fail("it is closed"), STORE_CLOSE_MS_MAX);
    }
    await this.#closed.promise;
  }

  /** Does without the blocks that take too long, even if the worker is held up. */
  #watch(requestId: number, limit: FetchLimit): void {
    const leftMs = limit.latestMs + STORE_MARGIN_MS - performance.now();
    if (leftMs <= 0) return this.#endFetch(requestId);
    const timer = setTimeout(() => this.#watch(requestId, limit), leftMs);
    this.#fetches.get(requestId)!.timer = timer;
  }

  #send(message: ToTierWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromTierWorker): void {
    switch (message.type) {
      case "opened":
        this.#keys = new Set(message.keys);
        this.#usedBytes = message.usedBytes;
        return this.#opened.resolve();
      case "failed":
        return this.#fail(message.message);
      case "written":
        this.#pending.delete(message.key);
        this.#note([message.key]);
        this.#forget(message.deleted);
        this.#usedBytes = message.usedBytes;
        return;
      case "skipped":
        this.#pending.delete(message.key);
        return;
      case "counts":
        this.#counts = message.counts;
        return;
      case "not_written":
        this.#pending.delete(message.key);
        return this.#pause(message.message);
      case "looked":
        this.#note(message.found);
        this.#forget(message.gone);
        this.#usedBytes = message.usedBytes;
        this.#looks.get(message.requestId)?.(new Set(message.found));
        this.#looks.delete(message.requestId);
        return;
      case "block":
        return this.#take(message.requestId, message.block);
      case "fetched":
        this.#forget(message.lost);
        return this.#endFetch(message.requestId);
      case "closed":
        return this.#closed.resolve();
    }
  }

  #take(requestId: number, block: StoredBlock): void {
    const fetch = this.#fetches.get(requestId);
    fetch?.blocks.push(block);
    fetch?.limit?.came(performance.now());
  }

  /** Hands over what has come. */
  #endFetch(requestId: number): void {
    const fetch = this.#fetches.get(requestId);
    this.#fetches.delete(requestId);
    clearTimeout(fetch?.timer);
    fetch?.resolve(fetch.blocks);
  }

  /** Notes keys; those of files of an earlier process are described only now. */
  #note(keys: readonly string[]): void {
    for (const key of keys) {
      this.#keys.add(key);
      this.#watcher.added(key);
    }
  }

  #forget(keys: readonly string[]): void {
    for (const key of keys) {
      this.#keys.delete(key);
      this.#watcher.removed(key);
    }
  }

  #pause(reason: string): void {
    if (performance.now() < this.#pausedUntilMs) return;
    this.#pausedUntilMs = performance.now() + PAUSE_MS;
    const seconds = PAUSE_MS / 1000;
    console.error(
      `packkv: cannot write blocks to ${this.#place}, next try in ${seconds} s: ${reason}`,
    );
  }

  /** Continues without a disk: every block counts as missing. */
  #fail(reason: string): void {
    this.#opened.reject(new Error(reason));
    this.#pausedUntilMs = Infinity;
    this.#hasFailed = true;
    this.#keys.clear();
    for (const resolve of this.#looks.values()) resolve(new Set());
    this.#looks.clear();
    for (const requestId of [...this.#fetches.keys()]) this.#endFetch(requestId);
    this.#closed.resolve();
  }
}
