/**
 * Blocks on the device by name: who uses them, and which are kept unused until
 * their memory is needed.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { type BlockWatcher, NO_WATCHER } from "./block_events.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { ItemKind } from "./block_key.ts";
import {
  leastRecentlyUsed,
  type Retention,
  type RetentionPolicy,
  type RetentionRank,
} from "./retention.ts";
import type { BlockCounts, BlockMemory, RecordSizes, SealedBlock } from "./block_memory.ts";

/** One block of all stores in the arenas. */
export interface CachedItem extends RecordSizes {
  readonly kind: ItemKind;
  /** What it can be found by; null for a block that belongs to one sequence. */
  readonly key: string | null;
  readonly block: SealedBlock;
  /** Sequences that hold it. */
  useCount: number;
  /** How much it is worth once it is unused. */
  rank: RetentionRank;
}

/** All items of one {@link BlockMemory}. */
export class BlockCache {
  readonly memory: BlockMemory;
  #byKey = new Map<string, CachedItem>();
  /**
   * Unused items. A sequence gives its deepest block back first, and holds every block before one
   * that it holds: the first of those that it gave back is a leaf.
   */
  #unused: Retention<CachedItem>;
  /** Words of extents of unused items, by arena group. */
  #unusedWords: number[];
  #unusedPackedWords = 0;
  readonly #usedCounts: BlockCounts = { sealed: 0, near: 0 };
  #sharedCount = 0;
  /** Words of the records of used sealed blocks, by store, and their tokens. */
  #usedStoreWords: number[];
  #usedStoreTokens: number[];

  readonly #watcher: BlockWatcher;

  constructor(
    memory: BlockMemory,
    retention: RetentionPolicy = leastRecentlyUsed,
    watcher: BlockWatcher = NO_WATCHER,
  ) {
    this.memory = memory;
    this.#watcher = watcher;
    this.#unused = retention<CachedItem>(({ key }) => key);
    this.#unusedWords = memory.groupWords(null);
    this.#usedStoreWords = new Array<number>(memory.storeCount).fill(0);
    this.#usedStoreTokens = new Array<number>(memory.storeCount).fill(0);
  }

  /** The item of a key; undefined if it is not on the device. */
  find(key: string): CachedItem | undefined {
    return this.#byKey.get(key);
  }

  /** Blocks that sequences hold, a shared one counting once. */
  get usedCounts(): Readonly<BlockCounts> {
    return this.#usedCounts;
  }

  /** Sealed blocks that two sequences or more hold. */
  get sharedCount(): number {
    return this.#sharedCount;
  }

  /** Words of the records of the sealed blocks that sequences hold, by store. */
  get usedStoreWords(): readonly number[] {
    return this.#usedStoreWords;
  }

  /** Tokens of these records, by store. */
  get usedStoreTokens(): readonly number[] {
    return this.#usedStoreTokens;
  }

  /** Words that unused items take in all arenas: free to be taken. */
  get unusedAllocatedWords(): number {
    return this.#unusedWords.reduce((sum, count) => sum + count, 0);
  }

  /** Words of the records of unused items. */
  get unusedPackedWords(): number {
    return this.#unusedPackedWords;
  }

  /**
   * Takes memory for an item, giving up unused ones as needed; null, with those given up, if the
   * rest is in use. A packed one has one user then, a raw one none.
   *
   * @param allSizes Those of stores that the kind is not of do not count.
   */
  add(kind: ItemKind, key: string | null, allSizes: RecordSizes): CachedItem | null {
    const sizes = this.memory.partOf(kind, allSizes);
    const block = this.#allocate(kind, sizes.recordWords);
    if (block === null) return null;
    const item: CachedItem = { kind, key, block, ...sizes, useCount: 0, rank: "once" };
    if (key !== null) {
      invariant(!this.#byKey.has(key), "a key names one item");
      this.#byKey.set(key, item);
      this.#watcher.added(key);
    }
    if (key !== null) this.#unused.make?.(item);
    if (kind === "raw") this.#retain(item);
    else this.#count(item, 1);
    return item;
  }

  /** Adds a user. */
  acquire(item: CachedItem): void {
    if (this.#unused.has(item)) this.#forget(item);
    this.#count(item, 1);
  }

  /** Drops a user; an item without users is kept if it has a key. */
  release(item: CachedItem): void {
    this.#count(item, -1);
    if (item.useCount > 0) return;
    if (item.key === null) this.memory.release(item.block);
    else this.#retain(item);
  }

  /** Takes back an item that was just added, and not yet written. */
  remove(item: CachedItem): void {
    this.#count(item, -1);
    invariant(item.useCount === 0, "nobody else uses what is not yet written");
    if (item.key !== null) this.#unname(item.key);
    this.memory.release(item.block);
  }

  /** Notes that a sequence begins with an item that another one made. */
  noteReuse(item: CachedItem): void {
    if (item.rank === "once") item.rank = "again";
  }

  /** Keeps an item as long as anything else can go, or no longer. */
  pin(item: CachedItem, isPinned: boolean): void {
    item.rank = isPinned ? "pinned" : "again";
    this.touch(item);
  }

  /** Notes a use of an item that no sequence holds. */
  touch(item: CachedItem): void {
    if (this.#unused.has(item)) this.#unused.touch(item, item.rank);
  }

  /** Whether so many more blocks are expected to fit if every unused one is given up. */
  isRoomExpected(counts: BlockCounts): boolean {
    return this.memory.isRoomExpected(counts, this.#unusedWords);
  }

  /** Gives up an item unless it has users; whether it is gone. */
  giveUp(item: CachedItem): boolean {
    if (!this.#unused.has(item)) return false;
    this.#evict(item);
    return true;
  }

  /** Gives up every unused item. */
  clear(): void {
    for (const item of [...this.#unused]) this.#evict(item);
  }

  /** Throws unless counts are right and the arenas hold exactly these items. */
  checkIntegrity(holders: readonly (readonly CachedItem[])[]): void {
    const useCounts = new Map<CachedItem, number>();
    for (const items of holders) {
      for (const item of items) useCounts.set(item, (useCounts.get(item) ?? 0) + 1);
    }
    for (const [item, count] of useCounts) {
      invariant(item.useCount === count, "users of an item are counted");
      invariant(item.key === null || this.#byKey.get(item.key) === item, "keys find their item");
      invariant(!this.#unused.has(item), "what is used cannot be given up");
    }
    const unused = [...this.#unused];
    for (const item of unused) invariant(item.useCount === 0, "unused items have no user");
    const all = new Set(useCounts.keys());
    for (const item of unused) all.add(item);
    for (const item of this.#byKey.values()) invariant(all.has(item), "no item is lost");
    this.memory.checkIntegrity(Array.from(all, ({ block }) => block));
    const unusedWords = this.memory.groupWords(null);
    for (const { block } of unused) {
      const words = this.memory.groupWords(block);
      for (let group = 0; group < words.length; group++) unusedWords[group] += words[group];
    }
    const isCounted = unusedWords.every((count, group) => count === this.#unusedWords[group]);
    invariant(isCounted, "words of unused items are counted");
    this.#checkUsed(useCounts);
  }

  /** Throws unless what is used is counted; users by item. */
  #checkUsed(useCounts: ReadonlyMap<CachedItem, number>): void {
    const counts = { sealed: 0, near: 0, raw: 0 };
    const storeWords = new Array<number>(this.memory.storeCount).fill(0);
    let sharedCount = 0;
    for (const [{ kind, recordWords }, count] of useCounts) {
      counts[kind]++;
      if (kind === "sealed" && count > 1) sharedCount++;
      if (kind === "raw") continue;
      for (let store = 0; store < storeWords.length; store++) {
        storeWords[store] += recordWords[store];
      }
    }
    const { sealed, near } = this.#usedCounts;
    invariant(counts.sealed === sealed && counts.near === near, "used blocks are counted");
    const areCounted = storeWords.every((count, store) => count === this.#usedStoreWords[store]);
    invariant(areCounted, "words of used blocks are counted by store");
    invariant(sharedCount === this.#sharedCount, "shared blocks are counted");
  }

  #allocate(kind: ItemKind, recordWords: readonly number[]): SealedBlock | null {
    while (true) {
      const block = this.memory.allocate(kind, recordWords);
      if (block) return block;
      const victim = this.#unused.victim();
      if (victim === undefined) return null;
      this.#evict(victim);
    }
  }

  #evict(item: CachedItem): void {
    this.#forget(item);
    this.#unname(item.key!);
    this.memory.release(item.block);
  }

  #unname(key: string): void {
    this.#byKey.delete(key);
    this.#watcher.removed(key);
  }

  #retain(item: CachedItem): void {
    this.#unused.touch(item, item.rank);
    this.#addUnusedWords(item, 1);
  }

  #forget(item: CachedItem): void {
    this.#unused.drop(item);
    this.#addUnusedWords(item, -1);
  }

  #addUnusedWords({ block }: CachedItem, sign: 1 | -1): void {
    this.memory.groupWords(block).forEach((count, group) => {
      this.#unusedWords[group] += sign * count;
    });
    for (const { wordCount } of block.extents) this.#unusedPackedWords += sign * wordCount;
  }

  #count(item: CachedItem, change: 1 | -1): void {
    const before = item.useCount;
    item.useCount += change;
    invariant(item.useCount >= 0, "a user is dropped once");
    if (item.kind === "raw") return;
    const used = Number(item.useCount > 0) - Number(before > 0);
    this.#usedCounts[item.kind] += used;
    if (used !== 0) {
      item.recordWords.forEach((count, store) => {
        this.#usedStoreWords[store] += used * count;
        const tokenCount = count === 0 ? 0 : item.tokenCounts?.[store] ?? BLOCK_TOKEN_COUNT;
        this.#usedStoreTokens[store] += used * tokenCount;
      });
    }
    if (item.kind === "near") return;
    this.#sharedCount += Number(item.useCount > 1) - Number(before > 1);
  }
}
