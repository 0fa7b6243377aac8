/**
 * Allocation of extents in an arena of words: best fit, coalescing, reference counts. Plain values;
 * the arena itself is a GPU buffer this file knows nothing about.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { alignUp } from "../core/shapes.ts";

/** Extents start at multiples of this many words and take up whole multiples of it. */
export const EXTENT_UNIT_WORDS = 64;

/** A run of words of an arena. */
export interface Extent {
  /** First word; a multiple of {@link EXTENT_UNIT_WORDS}. */
  offset: number;
  /** Words asked for; what is taken is the next multiple of {@link EXTENT_UNIT_WORDS}. */
  wordCount: number;
}

interface UsedRun {
  extent: Extent;
  wordCount: number;
  referenceCount: number;
}

interface FreeRun {
  offset: number;
  wordCount: number;
}

/** Hands out extents of one arena. */
export class ExtentAllocator {
  /** Words that can be handed out: the arena's, rounded down to whole units. */
  readonly capacityWordCount: number;
  #used = new Map<number, UsedRun>();
  /** All free runs, no two adjacent: by size then offset, by first word, by end. */
  #free: FreeRun[] = [];
  #freeByOffset = new Map<number, FreeRun>();
  #freeByEnd = new Map<number, FreeRun>();
  #askedWordCount = 0;
  #allocatedWordCount = 0;

  /** @param wordCount Words of the arena, at least one unit. */
  constructor(wordCount: number) {
    if (!(wordCount >= EXTENT_UNIT_WORDS)) {
      throw new RangeError(`Cannot allocate in an arena of ${wordCount} words: one unit is needed`);
    }
    this.capacityWordCount = Math.floor(wordCount / EXTENT_UNIT_WORDS) * EXTENT_UNIT_WORDS;
    this.#addFree({ offset: 0, wordCount: this.capacityWordCount });
  }

  /** Words asked for by the extents in use. */
  get askedWordCount(): number {
    return this.#askedWordCount;
  }

  /** Words taken by the extents in use. */
  get allocatedWordCount(): number {
    return this.#allocatedWordCount;
  }

  /** Extents in use. */
  get extentCount(): number {
    return this.#used.size;
  }

  /**
   * Takes an extent with one reference from the smallest run that holds it; null if none does.
   *
   * @param side `end` takes the end of the last run that holds it instead: short-lived extents kept
   * apart from the others leave fewer gaps.
   */
  allocate(wordCount: number, side: "fit" | "end" = "fit"): Extent | null {
    if (!Number.isInteger(wordCount) || wordCount < 1) {
      throw new RangeError(`Cannot allocate ${wordCount} words: at least 1 is needed`);
    }
    const takenWordCount = alignUp(wordCount, EXTENT_UNIT_WORDS);
    const first = this.#lowerBound({ offset: 0, wordCount: takenWordCount });
    const run = side === "fit" ? this.#free[first] : lastOf(this.#free.slice(first));
    if (run === undefined) return null;
    this.#removeFree(run);
    const restWordCount = run.wordCount - takenWordCount;
    const offset = side === "fit" ? run.offset : run.offset + restWordCount;
    if (restWordCount > 0) {
      const rest = side === "fit" ? offset + takenWordCount : run.offset;
      this.#addFree({ offset: rest, wordCount: restWordCount });
    }
    const extent = Object.freeze({ offset, wordCount });
    this.#used.set(offset, { extent, wordCount: takenWordCount, referenceCount: 1 });
    this.#askedWordCount += wordCount;
    this.#allocatedWordCount += takenWordCount;
    return extent;
  }

  /** Adds a reference to an extent in use. */
  share(extent: Extent): void {
    this.#find(extent).referenceCount++;
  }

  /** Drops a reference; the last one frees the extent. Returns whether it was the last. */
  release(extent: Extent): boolean {
    const run = this.#find(extent);
    run.referenceCount--;
    if (run.referenceCount > 0) return false;
    this.#used.delete(extent.offset);
    this.#askedWordCount -= extent.wordCount;
    this.#allocatedWordCount -= run.wordCount;
    let { offset, wordCount } = { offset: extent.offset, wordCount: run.wordCount };
    const before = this.#freeByEnd.get(offset);
    const after = this.#freeByOffset.get(offset + wordCount);
    if (before) {
      this.#removeFree(before);
      offset = before.offset;
      wordCount += before.wordCount;
    }
    if (after) {
      this.#removeFree(after);
      wordCount += after.wordCount;
    }
    this.#addFree({ offset, wordCount });
    return true;
  }

  /** Throws unless used and free runs tile the arena, free ones are merged and counts are right. */
  checkIntegrity(): void {
    for (const run of this.#free) {
      const isFound = this.#freeByOffset.get(run.offset) === run &&
        this.#freeByEnd.get(run.offset + run.wordCount) === run;
      invariant(isFound, "free runs are found by offset and by end");
    }
    invariant(this.#freeByOffset.size === this.#free.length, "free runs are found by offset");
    invariant(this.#freeByEnd.size === this.#free.length, "free runs are found by end");
    let [end, freeCount, usedCount, asked, allocated] = [0, 0, 0, 0, 0];
    let previousIsFree = false;
    while (end < this.capacityWordCount) {
      const used = this.#used.get(end);
      const free = this.#freeByOffset.get(end);
      invariant((used === undefined) !== (free === undefined), "runs tile the arena");
      invariant(!(free && previousIsFree), "adjacent free runs are merged");
      previousIsFree = free !== undefined;
      const { wordCount } = (used ?? free)!;
      invariant(wordCount > 0, "a run has words");
      end += wordCount;
      if (used === undefined) {
        freeCount++;
        continue;
      }
      const { extent, referenceCount } = used;
      invariant(referenceCount > 0, "an extent in use has a reference");
      invariant(extent.offset === end - wordCount, "extents are found by their offset");
      invariant(wordCount === alignUp(extent.wordCount, EXTENT_UNIT_WORDS), "extents are rounded");
      usedCount++;
      asked += extent.wordCount;
      allocated += wordCount;
    }
    invariant(end === this.capacityWordCount, "runs reach the end of the arena");
    invariant(usedCount === this.#used.size, "no extents overlap");
    invariant(freeCount === this.#free.length, "no free runs overlap");
    invariant(asked === this.#askedWordCount, "asked words are counted");
    invariant(allocated === this.#allocatedWordCount, "allocated words are counted");
  }

  #find(extent: Extent): UsedRun {
    const run = this.#used.get(extent.offset);
    invariant(run !== undefined, "the extent is in use");
    invariant(run.extent === extent, "the extent is the one that was handed out");
    return run;
  }

  #addFree(run: FreeRun): void {
    this.#free.splice(this.#lowerBound(run), 0, run);
    this.#freeByOffset.set(run.offset, run);
    this.#freeByEnd.set(run.offset + run.wordCount, run);
  }

  #removeFree(run: FreeRun): void {
    const index = this.#lowerBound(run);
    invariant(this.#free[index] === run, "a free run is listed where its size puts it");
    this.#free.splice(index, 1);
    this.#freeByOffset.delete(run.offset);
    this.#freeByEnd.delete(run.offset + run.wordCount);
  }

  /** Index of the first free run that is not before `run` by size, then offset. */
  #lowerBound(run: FreeRun): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#free[middle];
      const isBefore = other.wordCount < run.wordCount ||
        (other.wordCount === run.wordCount && other.offset < run.offset);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function lastOf(runs: readonly FreeRun[]): FreeRun | undefined {
  let last = runs.at(0);
  for (const run of runs) {
    if (run.offset > last!.offset) last = run;
  }
  return last;
}
