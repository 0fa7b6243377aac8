/**
 * Where a waiting sequence can begin with what is in the cache, and whether it waits for
 * another one that is prefilling the same tokens.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { isOwnKey } from "./block_key.ts";
import { type BlockCounts, sizesOf } from "./block_memory.ts";
import type { HostEntry, HostIndex } from "./host_index.ts";
import type { LoadOp } from "./step_plan.ts";
import { bestBoundary } from "./prefix.ts";
import type { Sequence } from "./sequence.ts";
import { findSwapped } from "./swap_space.ts";

/** A block on the device, or else on the host. */
export type Found = CachedItem | HostEntry;

/** Where blocks are looked for. */
export interface Tiers {
  cache: BlockCache;
  /** Null without a host tier, or if the request must not use it. */
  host: Pick<HostIndex, "find"> | null;
}

/** Whether a block is on the device. */
export function isOnDevice(found: Found): found is CachedItem {
  return "block" in found;
}

/** A place to begin, and the blocks it is made of. */
export interface Beginning {
  /** Blocks that are stored already. */
  boundary: number;
  /** Blocks 0, 1, … up to the window before the boundary; null for those that the policy drops. */
  sealed: (Found | null)[];
  /** What is read behind it of stores whose rows see their newest tokens only. */
  near: Found[];
  /** The blocks before the boundary whose raw tiles are read behind it. */
  raw: Found[];
  /** Leading blocks of the prompt that are in the cache. */
  sharedCount: number;
}

/** The last place at which `sequence` can begin. */
export function findBeginning(sequence: Sequence, tiers: Tiers): Beginning {
  const shared = findShared(sequence, tiers);
  const own = findSwapped(sequence, tiers);
  return own !== null && own.boundary > shared.boundary ? { ...shared, ...own } : shared;
}

function findShared(sequence: Sequence, { cache, host }: Tiers): Beginning {
  const { names, request, rawTileCount, windowBlockCount, near: nearBlocks } = sequence;
  const find = (kind: CachedItem["kind"]) => (blockIndex: number): Found | undefined => {
    const key = sequence.keyOf(blockIndex, kind);
    return key === null ? undefined : cache.find(key) ?? host?.find(key);
  };
  const [sealedAt, nearAt, rawAt] = [find("sealed"), find("near"), find("raw")];
  let sharedCount = 0;
  let sealedCount = 0;
  for (; sealedCount < names.length; sealedCount++) {
    if (!sequence.keeps(sealedCount)) continue;
    if (!sealedAt(sealedCount)) break;
    sharedCount = sealedCount + 1;
  }
  const boundary = names.length === 0 || request.skipsCache
    ? 0
    : bestBoundary(sequence.prefixTokenCount, {
      sealedCount,
      windowBlockCount,
      hasRaw: rawAt,
      rawTileCount,
      hasNear: (boundary) => nearBlocks.before(boundary).every(nearAt),
    });
  const sealed = names.slice(0, sequence.sealedBefore(boundary)).map((_, index) =>
    sequence.keeps(index) ? sealedAt(index)! : null
  );
  const raw = sequence.rawTilesBefore(boundary).map((index) => rawAt(index)!);
  const near = nearBlocks.before(boundary).map((index) => nearAt(index)!);
  return { boundary, sealed, near, raw, sharedCount };
}

/** The keys of one block of a prompt; null where the block is not wanted. */
export interface WantedBlock {
  sealed: string | null;
  near: string | null;
  raw: string | null;
}

/** All keys of blocks. */
export function wantedKeys(wanted: readonly WantedBlock[]): string[] {
  return wanted.flatMap(({ sealed, near, raw }) => [sealed, near, raw])
    .filter((key) => key !== null);
}

/** What a request would gain from if it could be fetched. */
export interface Beyond {
  /** What to look for elsewhere, in the order of the prompt. */
  wanted: readonly WantedBlock[];
  /**
   * Of the keys found there those to fetch and give to `Scheduler.addToHost` before the
   * request is admitted.
   */
  choose(found: ReadonlySet<string>): string[];
}

/** What `sequence` would gain from beside what is on the device and on the host; null: nothing. */
export function findBeyond(
  sequence: Sequence,
  tiers: { cache: BlockCache; host: Pick<HostIndex, "find"> },
): Beyond | null {
  const wanted = wantedBlocks(sequence, tiers);
  if (wanted.length === 0) return null;
  const choose = (found: ReadonlySet<string>) =>
    keysElsewhere(sequence, { ...tiers, isElsewhere: (key) => found.has(key) });
  return { wanted, choose };
}

/**
 * What `sequence` may begin with beside what is on the device and on the host, by the blocks of its
 * prompt from the first on; none if it can begin at its last boundary already.
 */
function wantedBlocks(
  sequence: Sequence,
  { cache, host }: { cache: BlockCache; host: Pick<HostIndex, "find"> },
): WantedBlock[] {
  const { boundary } = findBeginning(sequence, { cache, host });
  const boundaryMax = Math.floor((sequence.prefixTokenCount - 1) / BLOCK_TOKEN_COUNT);
  if (boundary >= boundaryMax) return [];
  const missing = (key: string | null) =>
    key === null || cache.find(key) || host.find(key) ? null : key;
  const wanted = sequence.names.slice(0, boundaryMax).map((_, index) => {
    const isSealed = index < sequence.sealedBefore(boundaryMax) && sequence.keeps(index);
    return {
      sealed: isSealed ? missing(sequence.keyOf(index, "sealed")) : null,
      near: sequence.near.isKept ? missing(sequence.keyOf(index, "near")) : null,
      raw: sequence.rawTileCount === 0 ? null : missing(sequence.keyOf(index, "raw")),
    };
  });
  const first = wanted.findIndex(({ sealed }) => sealed !== null);
  const [rawFirst = boundary + 1] = sequence.rawTilesBefore(boundary + 1);
  const [nearFirst = rawFirst] = sequence.near.before(boundary + 1);
  return wanted.slice(Math.min(first < 0 ? rawFirst : first, nearFirst, rawFirst));
}

/**
 * Keys of blocks that `sequence` would begin with if it had them, beside those on the device and on
 * the host.
 *
 * @param tiers `isElsewhere`: whether the block of a key can be fetched.
 */
function keysElsewhere(
  sequence: Sequence,
  { cache, host, isElsewhere }: {
    cache: BlockCache;
    host: Pick<HostIndex, "find">;
    isElsewhere: (key: string) => boolean;
  },
): string[] {
  const find = (key: string) => {
    if (!host.find(key) && !isElsewhere(key)) return undefined;
    return { key, kind: "sealed" as const, recordWords: [] };
  };
  const { sealed, near, raw } = findBeginning(sequence, { cache, host: { find } });
  const keys = [...sealed, ...near, ...raw].flatMap((found) =>
    found === null || isOnDevice(found) ? [] : [found.key]
  );
  return [...new Set(keys.filter((key) => !host.find(key)))];
}

/**
 * Whether one of `running` is about to put a longer beginning of `sequence` into the cache: then
 * waiting costs less than prefilling the same tokens beside it.
 */
export function isAwaitingPrefix(
  sequence: Sequence,
  { boundary }: Beginning,
  running: readonly Sequence[],
): boolean {
  const { names, request } = sequence;
  if (request.skipsCache || names.length === 0) return false;
  const boundaryMax = Math.floor((sequence.prefixTokenCount - 1) / BLOCK_TOKEN_COUNT);
  return running.some((other) => {
    if (!other.isPrefilling || other.names[0] !== names[0]) return false;
    const prefilled = other.plannedTokenCount / BLOCK_TOKEN_COUNT;
    return [...other.boundaries].some((candidate) =>
      candidate > boundary && candidate > prefilled && candidate <= boundaryMax &&
      other.names[candidate - 1] === names[candidate - 1]
    );
  });
}

/** Blocks that the running sequences and a new one may come to need beside those in use. */
export function expectedBlocks(
  sequence: Sequence,
  { sealed, near }: Beginning,
  running: readonly Sequence[],
): BlockCounts {
  const countUsed = (all: readonly (Found | null)[]) =>
    all.filter((found) => found !== null && isOnDevice(found) && found.useCount > 0).length;
  const counts = {
    sealed: sequence.finalBlockCount - countUsed(sealed),
    near: sequence.nearCountMax - countUsed(near),
  };
  for (const { finalBlockCount, heldCount, nearCountMax, near } of running) {
    counts.sealed += Math.max(0, finalBlockCount - heldCount);
    counts.near += Math.max(0, nearCountMax - near.heldCount);
  }
  return counts;
}

/**
 * Takes the packed blocks of a beginning for a sequence, with memory for those on the host; null,
 * with nothing taken, if there is none, or only that of the raw tiles.
 */
export function takeBlocks(
  { sealed, near, raw }: Beginning,
  cache: BlockCache,
): { items: (CachedItem | null)[]; near: CachedItem[]; loads: LoadOp[] } | null {
  const onDevice = [...sealed, ...near].filter((found) => found !== null).filter(isOnDevice);
  // First, so that making room for the others does not give them up.
  for (const item of onDevice) cache.acquire(item);
  const added: CachedItem[] = [];
  const loads: LoadOp[] = [];
  let hasRoom = true;
  const take = (found: Found | null) => {
    if (found === null || isOnDevice(found)) return found;
    const key = isOwnKey(found.key) ? null : found.key;
    const item = cache.add(found.kind, key, sizesOf(found));
    hasRoom &&= item !== null;
    if (item === null) return null;
    added.push(item);
    loads.push({ key: found.key, target: { extents: item.block.extents } });
    return item;
  };
  const [items, nearItems] = [sealed.map(take), near.map(take)];
  const isRawThere = raw.every((tile) => !isOnDevice(tile) || cache.find(tile.key!) === tile);
  if (isRawThere && hasRoom) {
    return { items, near: nearItems.filter((item) => item !== null), loads };
  }
  for (const item of added) cache.remove(item);
  for (const item of onDevice.reverse()) cache.release(item);
  return null;
}
