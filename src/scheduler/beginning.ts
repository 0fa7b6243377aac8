/**
 * Where a waiting sequence can begin with what is in the cache, and whether it had better wait for
 * another one that is prefilling the same tokens.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { bestBoundary, rawTilesBefore, sealedBefore } from "./prefix.ts";
import type { Sequence } from "./sequence.ts";

/** A place to begin, and the blocks it is made of. */
export interface Beginning {
  /** Blocks of the prompt that are not prefilled. */
  boundary: number;
  /** Blocks 0, 1, … up to two before the boundary. */
  sealed: CachedItem[];
  /** The one or two blocks before the boundary. */
  raw: CachedItem[];
  /** Leading blocks of the prompt that are in the cache. */
  sharedCount: number;
}

/** The last place at which `sequence` can begin. */
export function findBeginning(sequence: Sequence, cache: BlockCache): Beginning {
  const { names, request } = sequence;
  const find = (kind: CachedItem["kind"]) => (blockIndex: number) => {
    const key = sequence.keyOf(blockIndex, kind);
    return key === null ? undefined : cache.find(key);
  };
  const [sealedAt, rawAt] = [find("sealed"), find("raw")];
  let sharedCount = 0;
  while (sharedCount < names.length && sealedAt(sharedCount)) sharedCount++;
  const boundary = names.length === 0 || request.skipsCache
    ? 0
    : bestBoundary(request.promptIds.length, { sealedCount: sharedCount, hasRaw: rawAt });
  const sealed = names.slice(0, sealedBefore(boundary)).map((_, index) => sealedAt(index)!);
  const raw = rawTilesBefore(boundary).map((index) => rawAt(index)!);
  return { boundary, sealed, raw, sharedCount };
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
  const boundaryMax = Math.floor((request.promptIds.length - 1) / BLOCK_TOKEN_COUNT);
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
  { sealed }: Beginning,
  running: readonly Sequence[],
): number {
  const sharedCount = sealed.filter(({ useCount }) => useCount > 0).length;
  return running.reduce(
    (count, { finalBlockCount, blocks }) => count + Math.max(0, finalBlockCount - blocks.length),
    sequence.finalBlockCount - sharedCount,
  );
}
