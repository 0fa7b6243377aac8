/**
 * Memory for blocks that a step measured, by preemption if it is short, and their places in the
 * read lists of their sequences.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { sizesOf } from "./block_memory.ts";
import type { Roster } from "./roster.ts";
import { runningOrder } from "./run_order.ts";
import type { SaveQueue } from "./save_queue.ts";
import type { Sequence } from "./sequence.ts";
import type { MeasuredBlock, ReadyBlock } from "./sequence_parts.ts";
import { joinedLinks, linkOf, type Opening } from "./starter.ts";
import type { SwapSpace } from "./swap_space.ts";

/** A part of a ready block: that of the stores which keep all, or that of the others. */
interface Part {
  item: CachedItem;
  /** Whether it is to be packed. */
  isNew: boolean;
}

/** The two parts of a block; null for one that there is not. */
type Parts = readonly [sealed: Part | null, near: Part | null];

/** See the module. */
export class BlockPlacer {
  #roster: Roster;
  #cache: BlockCache;
  #saves: SaveQueue | null;
  #swaps: SwapSpace | null;
  #onExhausted: (sequence: Sequence) => void;

  /** @param parts `onExhausted` ends a sequence for which even all memory is too little. */
  constructor(
    parts: {
      roster: Roster;
      cache: BlockCache;
      saves: SaveQueue | null;
      swaps: SwapSpace | null;
      onExhausted: (sequence: Sequence) => void;
    },
  ) {
    this.#roster = parts.roster;
    this.#cache = parts.cache;
    this.#saves = parts.saves;
    this.#swaps = parts.swaps;
    this.#onExhausted = parts.onExhausted;
  }

  /**
   * Makes ready blocks readable; makes room by preemption. Blocks are placed in rank order: a
   * victim of preemption never already received its block in this pass.
   *
   * @param isIdle Whether no step is in flight.
   */
  run(opening: Opening, isIdle: boolean): void {
    for (const sequence of runningOrder(this.#roster.running)) {
      const [ready, second] = sequence.ready;
      invariant(second === undefined, "a step completes one block of a sequence");
      if (ready === undefined || !this.#roster.running.includes(sequence)) continue;
      const parts = "item" in ready
        ? [knownPart(ready.item), knownPart(ready.near)] as const
        : this.#place(sequence, ready, { opening, isIdle });
      if (parts === null) continue;
      sequence.ready = [];
      this.#makeReadable(sequence, ready, { parts, opening });
    }
  }

  /** Puts the parts of a block into read lists, and gives back what is not read any more. */
  #makeReadable(
    sequence: Sequence,
    ready: ReadyBlock,
    { parts, opening }: { parts: Parts; opening: Opening },
  ): void {
    const { slot } = sequence;
    const { blockIndex } = ready;
    const [sealed, near] = parts;
    const item = sealed?.item ?? null;
    const isGathered = "isGathered" in ready;
    const listIndex = isGathered ? blockIndex : sequence.addBlock(item);
    const released = isGathered ? sequence.addGathered(item!) : [];
    if (near !== null) sequence.near.add(blockIndex, near.item);
    for (const old of [...released, ...sequence.takePassed()]) this.#cache.release(old);
    const linked = (isNew: boolean) =>
      parts.filter((part) => part?.isNew === isNew)
        .map((part) => linkOf(part!.item, { slot, blockIndex, listIndex }));
    const packs = linked(true);
    if (packs.length > 0 && "jobIndex" in ready) {
      opening.packs.push({ ...joinedLinks(packs), jobIndex: ready.jobIndex });
    }
    opening.links.push(...linked(false));
  }

  /**
   * Memory for the parts of a measured block, or those that another sequence packed under the same
   * name; null if there was none, and `sequence` lost what it had.
   */
  #place(
    sequence: Sequence,
    ready: MeasuredBlock,
    { opening, isIdle }: { opening: Opening; isIdle: boolean },
  ): Parts | null {
    while (true) {
      const parts = this.#takeParts(sequence, ready);
      if (parts !== null) return parts;
      const isAlone = this.#roster.running.length === 1;
      if (isAlone && !this.#canStartOver(sequence, ready)) {
        this.#onExhausted(sequence);
        return null;
      }
      invariant(isIdle, "memory is only short when no step is in flight");
      const victim = runningOrder(this.#roster.running).at(-1)!;
      const swaps = victim.isReread ? [] : this.#swaps?.swapOut(victim) ?? [];
      // Two sequences preempted in one step may leave the same shared block.
      const isPlanned = (key: string) => opening.swaps.some((swap) => swap.key === key);
      opening.swaps.push(...swaps.filter(({ key }) => !isPlanned(key)));
      this.#roster.preempt(victim);
      // The only sequence starts over in an empty arena, where its blocks lie without gaps.
      if (isAlone) this.#cache.clear();
      if (victim === sequence) return null;
    }
  }

  /**
   * Whether a sequence that runs alone may find room once it starts over: there are words enough,
   * though not in a run, and it was not here before. What it gives back meanwhile leaves gaps.
   */
  #canStartOver(sequence: Sequence, ready: MeasuredBlock): boolean {
    const { memory } = this.#cache;
    const parts = (["sealed", "near"] as const).map((kind) => memory.partOf(kind, ready));
    const { startedOverAt, blocks: { length } } = sequence;
    if (!memory.isFragmented(parts) || length <= startedOverAt) return false;
    sequence.startedOverAt = length;
    return true;
  }

  /** The parts of a measured block; null, with nothing taken, if one has no room. */
  #takeParts(sequence: Sequence, ready: MeasuredBlock): Parts | null {
    const { blockIndex, isGathered = false } = ready;
    const key = isGathered ? null : sequence.keyOf(blockIndex, "sealed");
    const isKept = isGathered || sequence.keeps(blockIndex);
    const sealed = isKept ? this.#take("sealed", ready, [key, key]) : null;
    if (isKept && sealed === null) return null;
    const hasNear = !isGathered && sequence.near.isKept;
    const near = hasNear
      ? this.#take("near", ready, [
        sequence.keyOf(blockIndex, "near"),
        sequence.ownNearKey(blockIndex),
      ])
      : null;
    if (hasNear && near === null) {
      if (sealed?.isNew) this.#cache.remove(sealed.item);
      else if (sealed) this.#cache.release(sealed.item);
      return null;
    }
    for (const part of [sealed, near]) if (part?.isNew) this.#saves?.note(part.item);
    return [sealed, near];
  }

  /**
   * A part under the key it is found by, or else memory for it.
   *
   * @param keys The one it is looked for by, and the one it gets; null for none.
   */
  #take(
    kind: "sealed" | "near",
    ready: MeasuredBlock,
    [shared, own]: readonly [string | null, string | null],
  ): Part | null {
    const found = shared === null ? undefined : this.#cache.find(shared);
    if (found) {
      this.#cache.acquire(found);
      return { item: found, isNew: false };
    }
    const item = this.#cache.add(kind, own, sizesOf(ready));
    return item && { item, isNew: true };
  }
}

function knownPart(item: CachedItem | null): Part | null {
  return item && { item, isNew: false };
}
