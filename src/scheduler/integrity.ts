/**
 * What holds of a scheduler after every event.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import type { HostIndex } from "./host_index.ts";
import type { InFlightStep, Roster } from "./roster.ts";
import type { Sequence } from "./sequence.ts";
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
    checkSequence(sequence);
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
  const isRead = (host?.ownKeys ?? []).every((key) => left.has(key));
  invariant(isRead, "what a sequence left on the host is there while it waits");
  const holders = sequences.map(({ heldBlocks, near, ready }) =>
    [
      ...heldBlocks,
      ...near.items,
      ...ready.flatMap((block) => "item" in block ? [block.item, block.near] : []),
    ].filter((item) => item !== null)
  );
  cache.checkIntegrity([...holders, ...held]);
}

/** Throws unless the counts of a sequence fit together. */
function checkSequence(sequence: Sequence): void {
  const { blocks, ready, near, measuredBlockCount, plannedTokenCount, isReplaying } = sequence;
  invariant(blocks.length <= measuredBlockCount, "packed blocks were measured");
  const isMoving = ready.some((block) => "isGathered" in block);
  const nextBlockIndex = isMoving ? sequence.keeping!.moved.length : blocks.length;
  ready.forEach(({ blockIndex }, index) => {
    invariant(blockIndex === nextBlockIndex + index, "ready blocks follow the packed ones");
  });
  const { plannedSampleCount, generatedCount, request } = sequence;
  invariant(plannedSampleCount <= request.maxTokens, "maxTokens is kept");
  invariant(generatedCount <= plannedSampleCount || isReplaying, "tokens were planned");
  const end = sequence.sealedAfter(plannedTokenCount);
  invariant(measuredBlockCount <= end, "only complete blocks are measured");
  const isMeasured = measuredBlockCount === end || sequence.isPlannedOut;
  invariant(isMeasured, "complete blocks are measured by the step that completes them");
  const isWaiting = sequence.slot === -1;
  invariant(!isWaiting || plannedTokenCount === 0, "a waiting sequence stores nothing");
  invariant(near.heldCount <= sequence.nearCountMax, "what no row reaches is given back");
  if (isWaiting) invariant(near.heldCount === 0, "a waiting sequence holds nothing");
  const reached = near.isKept ? near.before(blocks.length + sequence.windowBlockCount) : [];
  const isReached = isWaiting || reached.every((index) => near.at(index) !== undefined);
  invariant(isReached, "what a row reaches is held");
  if (sequence.inFlightCount > 0 || sequence.hasEnded || isWaiting) return;
  const isCaughtUp = generatedCount === plannedSampleCount;
  invariant(isCaughtUp || isReplaying, "with no step in flight every planned token is known");
  const packedOrReady = blocks.length + (isMoving ? 0 : ready.length);
  invariant(packedOrReady === measuredBlockCount, "no measured block is lost");
}
