/**
 * Blocks whose bytes lie in host memory: which ones, how many bytes, which go first. The bytes
 * themselves are elsewhere, under the same keys.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import { leastRecentlyUsed, type Retention, type RetentionPolicy } from "./retention.ts";
import { type BlockWatcher, NO_WATCHER } from "./block_events.ts";
import { isOwnKey, type ItemKind } from "./block_key.ts";
import type { RecordSizes } from "./block_memory.ts";

/** A block in host memory. */
export interface HostEntry extends RecordSizes {
  readonly key: string;
  readonly kind: ItemKind;
}

/** The entries of one host tier. */
export class HostIndex {
  readonly capacityBytes: number;
  #entries = new Map<string, HostEntry>();
  #order: Retention<string>;
  #usedBytes = 0;
  #dropped = new Set<string>();
  /** Null once entries changed. */
  #ownKeys: readonly string[] | null = null;
  /** Whether no entry changed since the last check: there may be thousands of them. */
  #isChecked = false;
  readonly #watcher: BlockWatcher;

  /** @param capacityBytes Most bytes of all entries together. */
  constructor(
    capacityBytes: number,
    retention: RetentionPolicy = leastRecentlyUsed,
    watcher: BlockWatcher = NO_WATCHER,
  ) {
    this.capacityBytes = capacityBytes;
    this.#watcher = watcher;
    this.#order = retention();
  }

  /** Bytes of all entries. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Keys of what preempted sequences left for themselves. */
  get ownKeys(): readonly string[] {
    return this.#ownKeys ??= [...this.#entries.keys()].filter(isOwnKey);
  }

  /** The entry of a key. */
  find(key: string): HostEntry | undefined {
    return this.#entries.get(key);
  }

  /** Notes a use of an entry. */
  touch(entry: HostEntry): void {
    if (this.#entries.has(entry.key)) this.#order.touch(entry.key);
  }

  /** Adds an entry whose bytes are there, or touches it; drops others until all fit. */
  add(entry: HostEntry): void {
    const sizeBytes = entrySizeBytes(entry);
    const found = this.#entries.get(entry.key);
    if (found) return this.touch(found);
    this.#noteChange();
    this.#entries.set(entry.key, entry);
    this.#order.touch(entry.key);
    this.#dropped.delete(entry.key);
    this.#usedBytes += sizeBytes;
    this.#watcher.added(entry.key);
    while (this.#usedBytes > this.capacityBytes) {
      this.drop(this.#order.victim()!);
    }
  }

  /** Forgets an entry; {@link takeDropped} then returns its key. */
  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#noteChange();
    this.#entries.delete(key);
    this.#order.drop(key);
    this.#usedBytes -= entrySizeBytes(entry);
    this.#dropped.add(key);
    this.#watcher.removed(key);
  }

  /** Keys dropped since the last call, whose bytes can go. */
  takeDropped(): string[] {
    const dropped = [...this.#dropped];
    this.#dropped.clear();
    return dropped;
  }

  /** Throws unless bytes are counted and within the capacity. */
  checkIntegrity(): void {
    if (this.#isChecked) return;
    const isOrdered = this.#order.size === this.#entries.size;
    invariant(isOrdered, "every entry of the host tier can be dropped");
    let sizeBytes = 0;
    for (const entry of this.#entries.values()) sizeBytes += entrySizeBytes(entry);
    invariant(sizeBytes === this.#usedBytes, "bytes of the host tier are counted");
    invariant(sizeBytes <= this.capacityBytes, "the host tier keeps its capacity");
    this.#isChecked = true;
  }

  #noteChange(): void {
    this.#ownKeys = null;
    this.#isChecked = false;
  }
}

/** Bytes of an entry. */
export function entrySizeBytes({ recordWords }: Pick<HostEntry, "recordWords">): number {
  let wordCount = 0;
  for (const count of recordWords) wordCount += count;
  return wordCount * WORD_SIZE_BYTES;
}
