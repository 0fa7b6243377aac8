/** The text that a {@link FakeDevice} gives: each token is a hash of those its row reads. */

import type { KeepMethod, StoreScores } from "../../src/scheduler/keep/method.ts";
import { wholePacks } from "../../src/scheduler/keep/whole_packs.ts";

/** Tokens of a block. */
export const BLOCK = 64;

/** How the fake records pack tokens. */
export const PACKING = { sinkCount: 4, packTokenCount: 8 };

/** The token after `ids`: 0 (the end token) about once in `endPeriod` times. */
export function nextToken(ids: readonly number[], endPeriod: number): number {
  let hash = ids.length;
  for (let i = 0; i < ids.length; i++) hash = Math.imul(hash ^ ids[i], 0x01000193) ^ (hash >>> 15);
  const value = (hash ^ (hash >>> 13)) >>> 0;
  return value % endPeriod === 0 ? 0 : 1 + value % 5000;
}

/** Attention that the tokens of a prompt got in a store: any numbers, but always the same. */
export function fakeScores(ids: readonly number[], store: number): StoreScores {
  const score = (id: number, token: number, salt: number) =>
    (Math.imul(id + 7 * token + salt, 0x9e3779b1) >>> 8) / 2 ** 24;
  const sums = Float32Array.from(ids, (id, token) => score(id, token, store));
  const lastByHead = [11, 12].map((head) =>
    Float32Array.from(ids, (id, token) => twentiethPower(score(id, token, 100 * store + head)))
  );
  const digest = ids.reduce((hash, id) => Math.imul(hash ^ id, 0x01000193), ids.length);
  const channel = (salt: number) =>
    Float32Array.from({ length: 64 }, (_, index) => score(digest, index, salt));
  const channels = { headSize: 32, queries: channel(store), keys: channel(1000 * store + 500) };
  return { sums, lastByHead, channels };
}

/** By products: `**` takes as long as all the rest of a score. */
function twentiethPower(value: number): number {
  const fifth = (value * value) * (value * value) * value;
  return (fifth * fifth) * (fifth * fifth);
}

/** A token as it reads from a record without some channels; `kept` are those that stay. */
export function withoutChannels(id: number, kept: Uint32Array | undefined): number {
  return kept === undefined ? id : kept.reduce((hash, word) => Math.imul(hash, 31) ^ word, id);
}

/** All tokens a request must produce, the end token left out. */
export function expectedTokens(
  promptIds: readonly number[],
  options: {
    maxTokens: number;
    ignoreEos: boolean;
    endPeriod: number;
    /** Tokens of a block that are read behind the window; all if left out. */
    keptCount?: (blockIndex: number) => number;
    /** Whole blocks that stay in the window; 2 if left out. */
    windowBlockCount?: number;
    /** Blocks before its own that a row reaches where it sees no more; none does if left out. */
    nearBlockCount?: number;
    /** What stays of the prompt, in the stores of these indexes; all if left out. */
    keep?: { method: KeepMethod; stores: readonly number[] } | null;
  },
): number[] {
  const { keptCount = () => BLOCK, windowBlockCount = 2, keep } = options;
  const ids = [...promptIds];
  const kept = keep && keptTokens(promptIds, windowBlockCount, keep);
  const moved = kept?.map((own) => movedIds(ids, own));
  // What a row sees before its window is the same for all rows of a block.
  let [sealed, windowStart]: [number[], number] = [[], -1];
  while (ids.length < promptIds.length + options.maxTokens) {
    const near = nearIds(ids, windowBlockCount, options.nearBlockCount);
    let visible: number[];
    if (moved && ids.length > promptIds.length) {
      const recent = ids.slice(kept![0]?.sealedTokenCount);
      visible = moved.flatMap((own) => own.concat(recent));
    } else {
      const start = windowBlockAt(ids.length - 1, windowBlockCount) * BLOCK;
      if (start !== windowStart) sealed = sealedIds(ids.slice(0, start), keptCount);
      windowStart = start;
      visible = sealed.concat(ids.slice(start));
    }
    const id = nextToken(visible.concat(near), options.endPeriod);
    if (id === 0 && !options.ignoreEos) break;
    ids.push(id);
  }
  return ids.slice(promptIds.length);
}

/** What a method does to the sealed tokens of a prompt in a store. */
interface Moved {
  /** Sealed tokens that stay, in the order of their records. */
  kept: readonly number[];
  /** Tokens from the sinks to here are read without some channels. */
  sealedTokenCount: number;
  keptChannels: Uint32Array | undefined;
}

/** By store; null if nothing of the prompt is sealed. */
function keptTokens(
  promptIds: readonly number[],
  windowBlockCount: number,
  { method, stores }: { method: KeepMethod; stores: readonly number[] },
): Moved[] | null {
  const sealedTokenCount = Math.max(0, Math.floor(promptIds.length / BLOCK) - windowBlockCount) *
    BLOCK;
  if (sealedTokenCount === 0) return null;
  const counts = { promptTokenCount: promptIds.length, sealedTokenCount, ...PACKING };
  return stores.map((store) => {
    const scores = fakeScores(promptIds, store);
    const kept = wholePacks(method.choose(scores, counts), {
      ...PACKING,
      ...{ sealedTokenCount, needsAll: method.needsAll },
    });
    return { kept, sealedTokenCount, keptChannels: method.keepChannels?.(scores.channels!) };
  });
}

/** What stays of a prompt's sealed tokens in a store, as it reads. */
function movedIds(ids: readonly number[], { kept, keptChannels }: Moved): number[] {
  return kept.map((position) =>
    position < PACKING.sinkCount ? ids[position] : withoutChannels(ids[position], keptChannels)
  );
}

/** What is read of whole blocks behind a window. */
function sealedIds(ids: readonly number[], keptCount: (blockIndex: number) => number): number[] {
  const visible: number[] = [];
  for (let block = 0; block * BLOCK < ids.length; block++) {
    visible.push(...ids.slice(block * BLOCK, block * BLOCK + keptCount(block)));
  }
  return visible;
}

/** Sealed tokens that the row of the last one reaches where it sees no more. */
function nearIds(ids: readonly number[], windowBlockCount: number, blockCount?: number): number[] {
  if (blockCount === undefined) return [];
  const last = ids.length - 1;
  const end = windowBlockAt(last, windowBlockCount);
  return ids.slice(nearBlockAt(last, blockCount) * BLOCK, end * BLOCK);
}

/** First block that a row reaches, where it sees so many before its own. */
export function nearBlockAt(position: number, blockCount: number): number {
  return Math.max(0, Math.floor(position / BLOCK) - blockCount);
}

/** First block of the window of a row. */
export function windowBlockAt(position: number, windowBlockCount: number): number {
  return Math.max(0, Math.floor(position / BLOCK) - windowBlockCount);
}
