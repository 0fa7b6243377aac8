/**
 * Memory of sealed blocks: one allocator per arena group, and what a block is expected to take.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { alignUp, RECORD_ALIGN_WORDS } from "../core/shapes.ts";
import { sumOf } from "../core/sum.ts";
import { NO_RECORD } from "../core/row.ts";
import { type Extent, EXTENT_UNIT_WORDS, ExtentAllocator } from "./allocator.ts";
import type { ItemKind } from "./block_key.ts";

/** An arena and the stores whose records it holds; groups are in the order of the stores. */
export interface ArenaSize {
  storeCount: number;
  /** Those of them that keep only a window: their records have no words. */
  windowStoreCount?: number;
  wordCount: number;
}

/** Stores whose rows see their newest tokens only, and whose blocks are sealed like others. */
export interface NearStores {
  /** Their indexes. */
  stores: readonly number[];
  /** Blocks before its own of which a row sees something, at most. */
  blockCount: number;
}

/** Blocks by the stores that they are of. */
export interface BlockCounts {
  sealed: number;
  near: number;
}

/** Where a block lies in the stores that its kind is of. */
export interface SealedBlock {
  /** One per arena group. */
  extents: readonly Extent[];
  /** By store: word offset of its record in the arena of its group, or `NO_RECORD`. */
  recordOffsets: readonly number[];
}

/**
 * Bounds of the words that the records of one block take, on average over the stores of an arena;
 * equal where sizes are fixed.
 */
export interface RecordWordsRange {
  recordWordsMin: number;
  recordWordsMax: number;
}

/** Sizes of the records of a block. */
export interface RecordSizes {
  /** Words, by store. */
  readonly recordWords: readonly number[];
  /** Tokens, by store, 1 to 64; left out where every record has 64. */
  readonly tokenCounts?: readonly number[];
}

/** The sizes alone, of something that has them. */
export function sizesOf({ recordWords, tokenCounts }: RecordSizes): RecordSizes {
  return tokenCounts === undefined ? { recordWords } : { recordWords, tokenCounts };
}

/** Stores by how long their sealed blocks stay. */
const LIFETIMES = ["sealed", "near"] as const;

/** Of a block that has no tokens in any store of a group. */
const NO_EXTENT: Extent = Object.freeze({ offset: 0, wordCount: 0 });

interface Group {
  storeCount: number;
  /** Stores of it, and words of all measured blocks in these. */
  sealed: { storeCount: number; measuredWordCount: number };
  near: { storeCount: number; measuredWordCount: number };
  allocator: ExtentAllocator;
}

/** The arenas of one cache. */
export class BlockMemory {
  #groups: Group[];
  #range: RecordWordsRange;
  #near: ReadonlySet<number>;
  #measuredCounts: BlockCounts = { sealed: 0, near: 0 };

  /** @param near Stores whose blocks do not stay; none if left out. */
  constructor(arenas: readonly ArenaSize[], range: RecordWordsRange, near?: NearStores) {
    this.#range = range;
    this.#near = new Set(near?.stores ?? []);
    let first = 0;
    this.#groups = arenas.map(({ storeCount, wordCount, windowStoreCount = 0 }) => {
      const end = first + storeCount;
      const nearCount = [...this.#near].filter((store) => store >= first && store < end).length;
      first = end;
      const sealedCount = storeCount - windowStoreCount - nearCount;
      return {
        storeCount,
        sealed: { storeCount: sealedCount, measuredWordCount: 0 },
        near: { storeCount: nearCount, measuredWordCount: 0 },
        allocator: new ExtentAllocator(wordCount),
      };
    });
  }

  /** Sizes of the records of one kind, 0 in the stores of others. */
  partOf(kind: ItemKind, sizes: RecordSizes): RecordSizes {
    if (kind === "raw") return sizes;
    const recordWords = sizes.recordWords.map((count, store) =>
      this.#isOf(kind, store) ? count : 0
    );
    return { ...sizes, recordWords };
  }

  #isOf(kind: ItemKind, store: number): boolean {
    return kind === "raw" || this.#near.has(store) === (kind === "near");
  }

  /** Stores of all arenas. */
  get storeCount(): number {
    return this.#sum(({ storeCount }) => storeCount);
  }

  /** Words of all arenas. */
  get capacityWordCount(): number {
    return this.#sum(({ allocator }) => allocator.capacityWordCount);
  }

  /** Words the extents in use take. */
  get allocatedWordCount(): number {
    return this.#sum(({ allocator }) => allocator.allocatedWordCount);
  }

  /** Words of the records in the extents in use. */
  get packedWordCount(): number {
    return this.#sum(({ allocator }) => allocator.askedWordCount);
  }

  /**
   * Takes an extent in each arena for a block; null, with nothing taken, if one has no room. What
   * does not stay lies at the end, apart from the others.
   *
   * @param recordWords By store, 0 in those that the kind is not of.
   */
  allocate(kind: ItemKind, recordWords: readonly number[]): SealedBlock | null {
    const side = kind === "sealed" ? "fit" : "end";
    const extents: Extent[] = [];
    const recordOffsets: number[] = [];
    let store = 0;
    for (const { storeCount, allocator } of this.#groups) {
      const words = recordWords.slice(store, store + storeCount);
      const wordCount = sumOf(words);
      const extent = wordCount === 0 ? NO_EXTENT : allocator.allocate(wordCount, side);
      if (extent === null) {
        this.#release(extents);
        return null;
      }
      extents.push(extent);
      let offset = extent.offset;
      for (const count of words) {
        invariant(count % RECORD_ALIGN_WORDS === 0, "records are whole multiples of 4 words");
        recordOffsets.push(this.#isOf(kind, store++) ? offset : NO_RECORD);
        offset += count;
      }
    }
    invariant(store === recordWords.length, "every store is in one arena group");
    return { extents, recordOffsets };
  }

  /** Whether there are free words enough for blocks, though not in as few runs. */
  isFragmented(blocks: readonly RecordSizes[]): boolean {
    let store = 0;
    return this.#groups.every(({ storeCount, allocator }) => {
      const end = store + storeCount;
      const taken = blocks.map(({ recordWords }) => sumOf(recordWords.slice(store, end)));
      store = end;
      const takenWordCount = sumOf(taken.map((count) => alignUp(count, EXTENT_UNIT_WORDS)));
      return allocator.allocatedWordCount + takenWordCount <= allocator.capacityWordCount;
    });
  }

  /** Drops a reference to each extent of a block. */
  release(block: SealedBlock): void {
    this.#release(block.extents);
  }

  /** Learns from a measured block what to expect of the next ones. */
  learn(recordWords: readonly number[]): void {
    for (const lifetime of LIFETIMES) {
      const own = this.partOf(lifetime, { recordWords }).recordWords;
      if (own.every((count) => count === 0)) continue;
      this.#measuredCounts[lifetime]++;
      let store = 0;
      for (const group of this.#groups) {
        const end = store + group.storeCount;
        group[lifetime].measuredWordCount += sumOf(own.slice(store, end));
        store = end;
      }
    }
  }

  /** Words that a block's extents take, by arena group; zeros for null. */
  groupWords(block: SealedBlock | null): number[] {
    return this.#groups.map((_, index) =>
      block === null ? 0 : alignUp(block.extents[index].wordCount, EXTENT_UNIT_WORDS)
    );
  }

  /**
   * Whether so many more blocks are expected to fit beside those in use.
   *
   * @param spareWords By arena group: words in use that can be given up.
   */
  isRoomExpected(counts: BlockCounts, spareWords: readonly number[]): boolean {
    return this.#groups.every((group, index) => {
      const { allocatedWordCount, capacityWordCount } = group.allocator;
      const takenWordCount = allocatedWordCount - spareWords[index];
      const wanted = LIFETIMES.map((each) => counts[each] * this.#expectedWords(group, each));
      return takenWordCount + sumOf(wanted) <= capacityWordCount;
    });
  }

  /** Fewest words that so many blocks take, where that is more than an arena has; else null. */
  shortage(counts: BlockCounts): { needWordCount: number; capacityWordCount: number } | null {
    for (const { allocator: { capacityWordCount }, ...group } of this.#groups) {
      const records = LIFETIMES.map((each) => counts[each] * group[each].storeCount);
      const needWordCount = sumOf(records) * this.#range.recordWordsMin;
      if (needWordCount > capacityWordCount) return { needWordCount, capacityWordCount };
    }
    return null;
  }

  /** Throws unless the arenas hold exactly `blocks`, and each arena is sound. */
  checkIntegrity(blocks: readonly SealedBlock[]): void {
    this.#groups.forEach(({ allocator }, index) => {
      allocator.checkIntegrity();
      const extents = new Set<Extent>();
      let takenCount = 0;
      let askedWordCount = 0;
      for (const block of blocks) {
        const extent = block.extents[index];
        if (extent.wordCount === 0) continue;
        extents.add(extent);
        takenCount++;
        askedWordCount += extent.wordCount;
      }
      invariant(extents.size === takenCount, "no extent belongs to two blocks");
      invariant(allocator.extentCount === takenCount, "no extent is lost");
      invariant(allocator.askedWordCount === askedWordCount, "blocks have the extents in use");
    });
  }

  /** The mean of what was measured in a group, or the worst case before anything was. */
  #expectedWords(group: Group, lifetime: keyof BlockCounts): number {
    const { storeCount, measuredWordCount } = group[lifetime];
    const measuredCount = this.#measuredCounts[lifetime];
    if (measuredCount === 0) return storeCount * this.#range.recordWordsMax;
    return measuredWordCount / measuredCount;
  }

  #release(extents: readonly Extent[]): void {
    extents.forEach((extent, index) => {
      if (extent.wordCount > 0) this.#groups[index].allocator.release(extent);
    });
  }

  #sum(count: (group: Group) => number): number {
    return sumOf(this.#groups.map(count));
  }
}
