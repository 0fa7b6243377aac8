/**
 * Memory of sealed blocks: one allocator per arena group, and what a block is expected to take.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { alignUp, RECORD_ALIGN_WORDS } from "../core/shapes.ts";
import { type Extent, EXTENT_UNIT_WORDS, ExtentAllocator } from "./allocator.ts";

/** An arena and the stores whose records it holds; groups are in the order of the stores. */
export interface ArenaSize {
  storeCount: number;
  /** Those of them that keep only a window: their records have no words. */
  windowStoreCount?: number;
  wordCount: number;
}

/** Where one sealed block of all stores lies. */
export interface SealedBlock {
  /** One per arena group. */
  extents: readonly Extent[];
  /** By store: word offset of its record in the arena of its group. */
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

/** Of a block that has no tokens in any store of a group. */
const NO_EXTENT: Extent = Object.freeze({ offset: 0, wordCount: 0 });

interface Group {
  storeCount: number;
  sealedStoreCount: number;
  allocator: ExtentAllocator;
  /** Words of all measured blocks in this group. */
  measuredWordCount: number;
}

/** The arenas of one cache. */
export class BlockMemory {
  #groups: Group[];
  #range: RecordWordsRange;
  #measuredBlockCount = 0;

  constructor(arenas: readonly ArenaSize[], range: RecordWordsRange) {
    this.#range = range;
    this.#groups = arenas.map(({ storeCount, wordCount, windowStoreCount = 0 }) => ({
      storeCount,
      sealedStoreCount: storeCount - windowStoreCount,
      allocator: new ExtentAllocator(wordCount),
      measuredWordCount: 0,
    }));
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

  /** Takes an extent in each arena for a block; null, with nothing taken, if one has no room. */
  allocate(recordWords: readonly number[], side: "fit" | "end" = "fit"): SealedBlock | null {
    const extents: Extent[] = [];
    const recordOffsets: number[] = [];
    let store = 0;
    for (const { storeCount, allocator } of this.#groups) {
      const words = recordWords.slice(store, store + storeCount);
      store += storeCount;
      const wordCount = words.reduce((sum, count) => sum + count, 0);
      const extent = wordCount === 0 ? NO_EXTENT : allocator.allocate(wordCount, side);
      if (extent === null) {
        this.#release(extents);
        return null;
      }
      extents.push(extent);
      let offset = extent.offset;
      for (const count of words) {
        invariant(count % RECORD_ALIGN_WORDS === 0, "records are whole multiples of 4 words");
        recordOffsets.push(offset);
        offset += count;
      }
    }
    invariant(store === recordWords.length, "every store is in one arena group");
    return { extents, recordOffsets };
  }

  /** Whether there are free words enough for a block, though not in one run. */
  isFragmented(recordWords: readonly number[]): boolean {
    let store = 0;
    return this.#groups.every(({ storeCount, allocator }) => {
      const words = recordWords.slice(store, store + storeCount);
      store += storeCount;
      const takenWordCount = alignUp(words.reduce((sum, count) => sum + count), EXTENT_UNIT_WORDS);
      return allocator.allocatedWordCount + takenWordCount <= allocator.capacityWordCount;
    });
  }

  /** Drops a reference to each extent of a block. */
  release(block: SealedBlock): void {
    this.#release(block.extents);
  }

  /** Learns from a measured block what to expect of the next ones. */
  learn(recordWords: readonly number[]): void {
    this.#measuredBlockCount++;
    let store = 0;
    for (const group of this.#groups) {
      for (const end = store + group.storeCount; store < end; store++) {
        group.measuredWordCount += recordWords[store];
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
   * Whether `blockCount` more blocks are expected to fit beside those in use.
   *
   * @param spareWords By arena group: words in use that can be given up.
   */
  isRoomExpected(blockCount: number, spareWords: readonly number[]): boolean {
    return this.#groups.every((group, index) => {
      const { allocatedWordCount, capacityWordCount } = group.allocator;
      const takenWordCount = allocatedWordCount - spareWords[index];
      return takenWordCount + blockCount * this.#expectedWords(group) <= capacityWordCount;
    });
  }

  /**
   * Fewest words that `blockCount` blocks take, where that is more than an arena has; else null.
   */
  shortage(blockCount: number): { needWordCount: number; capacityWordCount: number } | null {
    for (const { sealedStoreCount, allocator: { capacityWordCount } } of this.#groups) {
      const needWordCount = blockCount * sealedStoreCount * this.#range.recordWordsMin;
      if (needWordCount > capacityWordCount) return { needWordCount, capacityWordCount };
    }
    return null;
  }

  /** Throws unless the arenas hold exactly `blocks`, and each arena is sound. */
  checkIntegrity(blocks: readonly SealedBlock[]): void {
    this.#groups.forEach(({ allocator }, index) => {
      allocator.checkIntegrity();
      const taken = blocks.map(({ extents }) => extents[index]).filter(({ wordCount }) =>
        wordCount > 0
      );
      const extents = new Set(taken);
      invariant(extents.size === taken.length, "no extent belongs to two blocks");
      invariant(allocator.extentCount === taken.length, "no extent is lost");
      let askedWordCount = 0;
      for (const { wordCount } of extents) askedWordCount += wordCount;
      invariant(allocator.askedWordCount === askedWordCount, "blocks have the extents in use");
    });
  }

  /** The mean of what was measured in a group, or the worst case before anything was. */
  #expectedWords(group: Group): number {
    if (this.#measuredBlockCount === 0) return group.sealedStoreCount * this.#range.recordWordsMax;
    return group.measuredWordCount / this.#measuredBlockCount;
  }

  #release(extents: readonly Extent[]): void {
    extents.forEach((extent, index) => {
      if (extent.wordCount > 0) this.#groups[index].allocator.release(extent);
    });
  }

  #sum(count: (group: Group) => number): number {
    return this.#groups.reduce((sum, group) => sum + count(group), 0);
  }
}
