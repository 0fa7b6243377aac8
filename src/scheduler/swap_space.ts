/**
 * What a preempted sequence leaves in host memory so that it comes back where it was: its sealed
 * blocks, and the raw tiles behind them. src/decisions/16 has the reasons.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { isOwnKey, ownKey } from "./block_key.ts";
import { sizesOf } from "./block_memory.ts";
import { entrySizeBytes, type HostEntry, type HostIndex } from "./host_index.ts";
import type { Sequence } from "./sequence.ts";
import type { SwappedState } from "./sequence_parts.ts";
import type { SwapOp } from "./step_plan.ts";

/** All keys of a state. */
export function swappedKeys({ sealedKeys, nearKeys, rawKeys }: SwappedState): string[] {
  return [...sealedKeys.filter((key) => key !== null), ...nearKeys, ...rawKeys];
}

/** Room on the host for preempted sequences. */
export class SwapSpace {
  #host: HostIndex;
  #tileWords: readonly number[];

  /** @param tileWords Words of a raw tile, by store. */
  constructor(host: HostIndex, tileWords: readonly number[]) {
    this.#host = host;
    this.#tileWords = tileWords;
  }

  /**
   * Plans the copies of what a running sequence would lose by a preemption, which comes next. None
   * if it has too little, or more than the host holds.
   */
  swapOut(sequence: Sequence): SwapOp[] {
    const boundary = swapBoundary(sequence);
    if (boundary === 0 || !canResumeAt(sequence, boundary)) return [];
    const opOf = (item: CachedItem, blockIndex: number): SwapOp => ({
      key: item.key ?? ownKey(sequence.arrivalIndex, blockIndex, item.kind),
      kind: item.kind,
      ...sizesOf(item),
      source: { extents: item.block.extents },
    });
    const sealed = sequence.blocks.slice(0, sequence.sealedBefore(boundary))
      .map((item, blockIndex) => item && opOf(item, blockIndex));
    const near = sequence.near.before(boundary).map((blockIndex) =>
      opOf(sequence.near.at(blockIndex)!, blockIndex)
    );
    const raw = sequence.rawTilesBefore(boundary).map((blockIndex) => ({
      key: ownKey(sequence.arrivalIndex, blockIndex, "raw"),
      kind: "raw" as const,
      recordWords: this.#tileWords,
      source: { slot: sequence.slot, blockIndex },
    }));
    const all: SwapOp[] = [...sealed.filter((op) => op !== null), ...near, ...raw];
    const sizeBytes = all.reduce((sum, op) => sum + entrySizeBytes(op), 0);
    if (sizeBytes > this.#host.capacityBytes) return [];
    const missing = all.filter(({ key }) => !this.#host.find(key));
    sequence.swapped = {
      boundary,
      sealedKeys: sealed.map((op) => op && op.key),
      nearKeys: near.map(({ key }) => key),
      rawKeys: raw.map(({ key }) => key),
      // Without raw tiles all of it may be on the host already.
      isPending: missing.length > 0,
    };
    return missing;
  }

  /** These blocks are on the host; those of a sequence that has ended since can go. */
  commit(ops: readonly SwapOp[], waiting: readonly Sequence[]): void {
    if (ops.length === 0) return;
    const wanted = new Set<string>();
    for (const { swapped } of waiting) {
      if (!swapped?.isPending) continue;
      swapped.isPending = false;
      for (const key of swappedKeys(swapped)) {
        wanted.add(key);
        const entry = this.#host.find(key);
        // Otherwise adding the others could drop it.
        if (entry) this.#host.touch(entry);
      }
    }
    for (const op of ops) {
      const { key, kind } = op;
      this.#host.add({ key, kind, ...sizesOf(op) });
      if (isOwnKey(key) && !wanted.has(key)) this.#host.drop(key);
    }
  }

  /** Drops what a sequence left, which is read or has no reader any more. */
  forget(sequence: Sequence): void {
    if (sequence.swapped === null) return;
    for (const key of swappedKeys(sequence.swapped).filter(isOwnKey)) this.#host.drop(key);
    sequence.swapped = null;
  }
}

/** What a sequence left, if all of it is still there; null if not, or if it left nothing. */
export function findSwapped(
  { swapped }: Sequence,
  { cache, host }: { cache: BlockCache; host: Pick<HostIndex, "find"> | null },
): {
  boundary: number;
  sealed: (CachedItem | HostEntry | null)[];
  near: (CachedItem | HostEntry)[];
  raw: HostEntry[];
} | null {
  if (swapped === null || host === null) return null;
  const sealed = swapped.sealedKeys.map((key) =>
    key === null ? null : cache.find(key) ?? host.find(key)
  );
  const near = swapped.nearKeys.map((key) => cache.find(key) ?? host.find(key));
  const raw = swapped.rawKeys.map((key) => host.find(key));
  const isThere = <T>(found: T | undefined): found is T => found !== undefined;
  if (!sealed.every(isThere) || !near.every(isThere) || !raw.every(isThere)) return null;
  return { boundary: swapped.boundary, sealed, near, raw };
}

/** Where a method chose what stays of the prompt, none of the prompt can be read again. */
function canResumeAt({ keeping, request }: Sequence, boundary: number): boolean {
  if (keeping === null) return true;
  return !keeping.isPending && boundary * BLOCK_TOKEN_COUNT >= request.promptIds.length;
}

/** The last block boundary behind which a sequence can begin again with what it holds. */
function swapBoundary(sequence: Sequence): number {
  const { plannedTokenCount, blocks } = sequence;
  const last = Math.floor(plannedTokenCount / BLOCK_TOKEN_COUNT);
  // If a block is measured and not packed it is the boundary before: the window has its tiles.
  const isReachable = (boundary: number) => sequence.sealedBefore(boundary) <= blocks.length;
  return [last, last - 1].find((boundary) => boundary > 0 && isReachable(boundary)) ?? 0;
}
