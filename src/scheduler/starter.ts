/**
 * Giving slots to waiting sequences, each behind what the cache has of its prompt.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import {
  type Beginning,
  expectedBlocks,
  findBeginning,
  isAwaitingPrefix,
  isOnDevice,
  takeBlocks,
} from "./beginning.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import type { HostIndex } from "./host_index.ts";
import type { Roster } from "./roster.ts";
import { waitingOrder } from "./run_order.ts";
import type { Sequence } from "./sequence.ts";
import type { LinkOp, LoadOp, PackOp, StartOp, SwapOp, TileOp } from "./step_plan.ts";
import type { SwapSpace } from "./swap_space.ts";

/** Operations of the step being planned that come before its rows. */
export interface Opening {
  starts: StartOp[];
  loads: LoadOp[];
  swaps: SwapOp[];
  packs: PackOp[];
  links: LinkOp[];
  restores: TileOp[];
}

/** Whether all of a sequence's blocks are in the cache. */
function isRead({ names }: Sequence, { boundary }: Beginning): boolean {
  return boundary === names.length;
}

/** Puts a block into a read list. */
export function linkOf(
  { block: { recordOffsets }, tokenCounts }: CachedItem,
  place: Pick<LinkOp, "slot" | "blockIndex" | "listIndex">,
): LinkOp {
  return { ...place, recordOffsets, ...(tokenCounts && { tokenCounts }) };
}

/** Links of one block in different stores as one. */
export function joinedLinks([first, ...others]: readonly LinkOp[]): LinkOp {
  const recordOffsets = first.recordOffsets.map((offset, store) =>
    Math.min(offset, ...others.map((other) => other.recordOffsets[store]))
  );
  return { ...first, recordOffsets };
}

/** Starts sequences of one roster. */
export class Starter {
  /** Tokens of the prompts of sequences that were started for the first time. */
  readonly counts = { prefixQueryCount: 0, prefixHitCount: 0 };
  #roster: Roster;
  #cache: BlockCache;
  #host: HostIndex | null;
  #swaps: SwapSpace | null;

  constructor(
    roster: Roster,
    tiers: { cache: BlockCache; host: HostIndex | null; swaps: SwapSpace | null },
  ) {
    this.#roster = roster;
    this.#cache = tiers.cache;
    this.#host = tiers.host;
    this.#swaps = tiers.swaps;
  }

  /** Gives slots to waiting sequences while their expected need fits beside that of the others. */
  run(opening: Opening, step: number): void {
    // Loads are written before the step: not over blocks that it has yet to copy to the host.
    if (opening.swaps.length > 0) return;
    for (const sequence of waitingOrder(this.#roster.waiting, step)) {
      if (sequence.swapped?.isPending) return;
      if (this.#roster.freeSlots.length === 0) this.#endRereadsFor(sequence);
      if (this.#roster.freeSlots.length === 0) return;
      const beginning = findBeginning(sequence, { cache: this.#cache, host: this.#host });
      if (sequence.isReread && isRead(sequence, beginning)) {
        this.#roster.end(sequence);
        continue;
      }
      if (this.#roster.running.length > 0) {
        if (this.#roster.isStartPaused) return;
        if (isAwaitingPrefix(sequence, beginning, this.#roster.running)) continue;
        if (!this.#hasRoomFor(sequence, beginning)) this.#endRereadsFor(sequence);
        if (!this.#hasRoomFor(sequence, beginning)) return;
      }
      // Loads are written before the step: not over raw tiles that the step has yet to read.
      const isLoading = [...beginning.sealed, ...beginning.near]
        .some((found) => found !== null && !isOnDevice(found));
      if (isLoading && opening.restores.length > 0) return;
      this.#start(sequence, { beginning, opening, step });
    }
  }

  #hasRoomFor(sequence: Sequence, beginning: Beginning): boolean {
    const { running } = this.#roster;
    return this.#cache.isRoomExpected(expectedBlocks(sequence, beginning, running));
  }

  /** Ends the reading of answers that stands in a request's way, unless they are its beginning. */
  #endRereadsFor({ isReread, names }: Sequence): void {
    if (isReread) return;
    for (const other of this.#roster.running) {
      const last = other.names.length - 1;
      if (other.isReread && other.names[last] !== names[last]) this.#roster.end(other);
    }
  }

  #start(
    sequence: Sequence,
    { opening, step, ...found }: { beginning: Beginning; opening: Opening; step: number },
  ): void {
    const { sequenceId, promptIds } = sequence.request;
    let { beginning } = found;
    let taken = takeBlocks(beginning, this.#cache);
    if (taken === null) {
      beginning = findBeginning(sequence, { cache: this.#cache, host: null });
      taken = takeBlocks(beginning, this.#cache);
    }
    invariant(taken !== null, "blocks on the device can be taken");
    if (!sequence.isReread) {
      const { sealed, near, raw } = beginning;
      const found = [...sealed, ...near, ...raw].filter((block) => block !== null);
      for (const item of found.filter(isOnDevice)) this.#cache.noteReuse(item);
    }
    const slot = this.#roster.start(sequence);
    const { boundary, raw, sharedCount } = beginning;
    if (sequence.cachedTokenCount === null && !sequence.isReread) {
      this.counts.prefixQueryCount += promptIds.length;
      this.counts.prefixHitCount += boundary * BLOCK_TOKEN_COUNT;
    }
    sequence.begin(boundary, { step, sharedCount });
    opening.loads.push(...taken.loads);
    taken.items.forEach((item, blockIndex) => {
      const listIndex = sequence.addBlock(item);
      if (item !== null) opening.links.push(linkOf(item, { slot, blockIndex, listIndex }));
    });
    sequence.near.before(boundary).forEach((blockIndex, index) => {
      const item = taken.near[index];
      sequence.near.add(blockIndex, item);
      opening.links.push(linkOf(item, { slot, blockIndex, listIndex: blockIndex }));
    });
    raw.forEach((tile, index) => {
      const blockIndex = boundary - raw.length + index;
      const isOlder = boundary - blockIndex > sequence.windowBlockCount;
      const place = { slot, blockIndex, ...(isOlder ? { inLongRingsOnly: true } : {}) };
      if (!isOnDevice(tile)) {
        opening.loads.push({ key: tile.key, target: place });
        return;
      }
      this.#cache.touch(tile);
      opening.restores.push({ ...place, recordOffsets: tile.block.recordOffsets });
    });
    for (const entry of [...beginning.sealed, ...beginning.near, ...raw]) {
      if (entry !== null && !isOnDevice(entry)) this.#host?.touch(entry);
    }
    this.#swaps?.forget(sequence);
    const cachedTokenCount = Math.min(boundary * BLOCK_TOKEN_COUNT, promptIds.length);
    opening.starts.push({ sequenceId, slot, cachedTokenCount, storedIds: sequence.storedIds });
  }
}
