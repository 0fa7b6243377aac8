/**
 * The arena split into groups of neighbouring stores, so that one binding holds each.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { alignUp, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { sumOf } from "../core/sum.ts";
import { EXTENT_UNIT_WORDS } from "../scheduler/allocator.ts";
import { heldBlockCountMax, isNear, type Store } from "./store.ts";

/** A run of stores whose sealed blocks share one arena buffer. */
export interface ArenaGroup {
  firstStore: number;
  storeCount: number;
  /** Those of them that keep only a window. */
  windowStoreCount: number;
  wordCount: number;
  /** Words behind these for values of blocks that lie in host memory otherwise; 0 if none do. */
  valueWordCount: number;
  /** Most words of the records of a block, of stores that keep all. */
  blockWordsMax: number;
  /** Most words that the others hold of all slots: of windows, however long the context is. */
  nearWordsMax: number;
}

/** What arenas follow from. */
export interface ArenaOptions {
  slotCount: number;
  /** Most sealed blocks of a sequence. */
  blockCountMax: number;
  /** Whole blocks that stay raw. */
  windowBlockCount: number;
  recordWordsMax: number;
  /** Words of a record without codes; none have if null or left out. */
  codelessWords?: number | null;
  /** Share of words for values of stores whose values lie in host memory else; none if null. */
  valueShare?: number | null;
  /** Budget in bytes; what all slots can ever need if left out. */
  arenaSizeBytes?: number;
  /** Most bytes if no budget is given. */
  arenaLimitBytes?: number;
  /** Largest buffer range one binding may hold. */
  bindingSizeMax: number;
}

/**
 * Groups of neighbours hold as many bytes each as their stores need; a store that keeps a window
 * only is in that of the one before, and one without codes too.
 */
export function arenaGroups(
  stores: readonly Omit<Store, "group">[],
  options: ArenaOptions,
): ArenaGroup[] {
  const { slotCount, bindingSizeMax } = options;
  const sealed = [...stores.keys()].filter((store) => stores[store].isSealed);
  const { length: sealedCount } = sealed;
  const recordWords = sealed.map((store) => recordWordsOf(stores[store], options));
  const recordBytes = recordWords.map((count) =>
    alignUp(count, EXTENT_UNIT_WORDS) * WORD_SIZE_BYTES
  );
  const needs = sealed.map((store, index) =>
    slotCount * heldBlockCountMax(stores[store], options) * recordBytes[index]
  );
  const needBytes = sumOf(needs);
  const blockBytes = sumOf(recordBytes);
  const { arenaSizeBytes, arenaLimitBytes = needBytes } = options;
  const totalBytes = arenaSizeBytes ?? Math.min(needBytes, arenaLimitBytes);
  if (totalBytes < blockBytes) {
    throw new EngineError(
      "model_too_large",
      `Cannot hold one block of the KV cache: it takes up to ${blockBytes} bytes, ` +
        `the budget is ${totalBytes}`,
    );
  }
  const storeBytes = shares(needs, {
    totalBytes,
    leastBytes: recordBytes,
    isFirst: (index) => isNear(stores[sealed[index]]),
  });
  const starts = [...sealed.keys()].filter((index) => stores[sealed[index]].hasCodes);
  return runsWithin(storeBytes, { starts, bytesMax: bindingSizeMax }).map(({ first, end }) => {
    const bytes = Math.min(sumOf(storeBytes.slice(first, end)), bindingSizeMax);
    const unitBytes = EXTENT_UNIT_WORDS * WORD_SIZE_BYTES;
    const words = Math.floor(bytes / unitBytes) * EXTENT_UNIT_WORDS;
    const firstStore = first === 0 ? 0 : sealed[first];
    const storeCount = (end === sealedCount ? stores.length : sealed[end]) - firstStore;
    const windowStoreCount = storeCount - (end - first);
    const own = Array.from({ length: end - first }, (_, index) => first + index);
    const isOfNear = (index: number) => isNear(stores[sealed[index]]);
    const blockWordsMax = sumOf(own.filter((at) => !isOfNear(at)).map((at) => recordWords[at]));
    const nearWordsMax = sumOf(own.filter(isOfNear).map((at) => needs[at] / WORD_SIZE_BYTES));
    const apartCount = own.filter((at) => stores[sealed[at]].hasValuesApart).length;
    const valueWordCount = valueWords(words, apartCount, options);
    const wordCount = words - valueWordCount;
    const sizes = { wordCount, valueWordCount, blockWordsMax, nearWordsMax };
    return { firstStore, storeCount, windowStoreCount, ...sizes };
  });
}

/**
 * Words for values of so many stores, of those of a group in whole units. Values of a record are
 * less than half of it. There is room for those of a block in all stores, and for so much of all
 * blocks of a store that no block has to take more of the other words than its largest records
 * would.
 */
function valueWords(
  words: number,
  storeCount: number,
  { valueShare = null, recordWordsMax }: ArenaOptions,
): number {
  if (valueShare === null || storeCount === 0) return 0;
  const valueWordCount = alignUp(Math.ceil(words * valueShare), EXTENT_UNIT_WORDS);
  const restWordCount = words - valueWordCount;
  const neededWords = Math.max(
    storeCount * alignUp(Math.ceil(recordWordsMax / 2), EXTENT_UNIT_WORDS),
    Math.ceil(restWordCount / (2 * storeCount)),
  );
  if (valueWordCount >= neededWords && restWordCount > 0) return valueWordCount;
  throw new EngineError(
    "model_too_large",
    `Cannot keep ${valueShare} of the arena for values that come from host memory: that is ` +
      `${valueWordCount * WORD_SIZE_BYTES} bytes of ${words * WORD_SIZE_BYTES}, and ` +
      `${neededWords * WORD_SIZE_BYTES} are needed; use a larger pool, or more --kv-memory`,
  );
}

/** Most words of a record of a sealed store. */
function recordWordsOf(
  { hasCodes }: Pick<Store, "hasCodes">,
  { recordWordsMax, codelessWords = null }: ArenaOptions,
): number {
  return hasCodes || codelessWords === null ? recordWordsMax : codelessWords;
}

/**
 * Bytes of each store: at least one record, and of the rest in proportion to what it needs. Those
 * that need so much however little the others hold get it first, up to half of all.
 */
function shares(
  needs: readonly number[],
  { totalBytes, leastBytes, isFirst }: {
    totalBytes: number;
    /** By store. */
    leastBytes: readonly number[];
    isFirst: (index: number) => boolean;
  },
): number[] {
  const more = needs.map((need, index) => Math.max(0, need - leastBytes[index]));
  const [first, others] = [true, false].map((wanted) =>
    sumOf(more.filter((_, index) => isFirst(index) === wanted))
  );
  const restBytes = totalBytes - sumOf(leastBytes);
  const firstBytes = others === 0 ? restBytes : Math.min(first, restBytes / 2);
  return more.map((need, index) => {
    const [bytes, sum] = isFirst(index) ? [firstBytes, first] : [restBytes - firstBytes, others];
    return leastBytes[index] + Math.floor(sum === 0 ? 0 : bytes * need / sum);
  });
}

/**
 * As few runs of neighbours as have no more than so many bytes each.
 *
 * @param options `starts`: where one may begin.
 */
function runsWithin(
  bytes: readonly number[],
  { starts, bytesMax }: { starts: readonly number[]; bytesMax: number },
): { first: number; end: number }[] {
  for (let runCount = 1;; runCount++) {
    const startOf = (index: number) =>
      starts[Math.floor((index * starts.length) / runCount)] ?? bytes.length;
    const runs = Array.from({ length: runCount }, (_, index) => ({
      first: startOf(index),
      end: startOf(index + 1),
    }));
    const fits = runs.every(({ first, end }) => sumOf(bytes.slice(first, end)) <= bytesMax);
    if (fits || runCount === starts.length) return runs;
  }
}
