/**
 * What holds of a scheduler after every event.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import type { HostIndex } from "./host_index.ts";
import type { InFlightStep, Roster } from "./roster.ts";
import { isOwnKey } from "./block_key.ts";
import { swappedKeys } from "./swap_space.ts";

/** All that a scheduler holds. */
export interface SchedulerState {
  roster: Roster;
  inFlight: readonly InFlightStep[];
  slotCount: number;
  cache: BlockCache;
  host: HostIndex | null;
  /** Blocks that are held by something else than sequences. */
  held: readonly (readonly CachedItem[])[];
}

/** Throws unless every sequence, slot and extent is where it belongs, once. */
export function checkScheduler(state: SchedulerState): void {
  const { roster, inFlight, slotCount, cache, host, held } = state;
  const { sequences, waiting, running, freeSlots } = roster;
  for (const sequence of sequences) {
    sequence.checkIntegrity();
    const stepCount = inFlight.filter((step) => step.sequences.has(sequence)).length;
    invariant(sequence.inFlightCount === stepCount, "steps in flight are counted");
    const lists = [waiting, running].filter((list) => list.includes(sequence));
    invariant(lists.length === (sequence.hasEnded ? 0 : 1), "a live sequence waits or runs");
    invariant(!sequence.hasEnded || stepCount > 0, "an ended sequence is released in time");
    const holdsSlot = sequence.slot !== -1;
    invariant(holdsSlot === !waiting.includes(sequence), "all but waiting ones hold a slot");
  }
  const named = [...waiting, ...running, ...inFlight.flatMap((step) => [...step.sequences])];
  const isKnown = named.every((sequence) => sequences.includes(sequence));
  invariant(isKnown, "a sequence that lives or is used by a step holds its slot and extents");
  const slots = [
    ...freeSlots,
    ...sequences.map(({ slot }) => slot).filter((slot) => slot >= 0),
  ];
  invariant(slots.length === slotCount, "no slot is lost");
  invariant(new Set(slots).size === slots.length, "no slot is held twice");
  for (const list of [waiting, running]) {
    const arrivals = list.map(({ arrivalIndex }) => arrivalIndex);
    const isOrdered = arrivals.every((arrival, i) => i === 0 || arrivals[i - 1] < arrival);
    invariant(isOrdered, "sequences are in order of arrival");
  }
  host?.checkIntegrity();
  const left = new Set(waiting.flatMap(({ swapped }) => swapped ? swappedKeys(swapped) : []));
  const isRead = (host?.keys ?? []).every((key) => !isOwnKey(key) || left.has(key));
  invariant(isRead, "what a sequence left on the host is there while it waits");
  const holders = sequences.map(({ heldBlocks, ready }) => [
    ...heldBlocks,
    ...ready.flatMap((block) => "item" in block ? [block.item] : []),
  ]);
  cache.checkIntegrity([...holders, ...held]);
}
