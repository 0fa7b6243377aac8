/**
 * The sequences there are, their slots, and what they hold of the cache.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BlockCache } from "./block_cache.ts";
import { Sequence } from "./sequence.ts";
import type { SequenceRequest } from "./sequence_parts.ts";
import type { SequenceContext } from "./sequence_context.ts";
import type { StepPlan } from "./step_plan.ts";

/** A planned step that is not committed. */
export interface InFlightStep {
  plan: StepPlan;
  /** Those whose slot or extents the step uses. */
  sequences: ReadonlySet<Sequence>;
}

/** Every sequence that holds anything: waiting, running, or ended with a step in flight. */
export class Roster {
  /** After a preemption no sequence starts until another one gives its memory back. */
  isStartPaused = false;
  /** Sequences that lost their memory to others, each time counted. */
  preemptionCount = 0;
  #cache: BlockCache;
  #context: SequenceContext;
  #byId = new Map<number, Sequence>();
  #waiting: Sequence[] = [];
  #running: Sequence[] = [];
  readonly #slotCount: number;
  #freeSlots: number[];
  #nextArrivalIndex = 0;

  constructor(cache: BlockCache, slotCount: number, context: SequenceContext) {
    this.#cache = cache;
    this.#slotCount = slotCount;
    this.#context = context;
    this.#freeSlots = Array.from({ length: slotCount }, (_, slot) => slot);
  }

  /** All of them. */
  get sequences(): readonly Sequence[] {
    return [...this.#byId.values()];
  }

  /** Those without a slot, by arrival. */
  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  /** How many requests wait. */
  get waitingCount(): number {
    return count(this.#waiting);
  }

  /** How many requests run. */
  get runningCount(): number {
    return count(this.#running);
  }

  /**
   * How many of the waiting the next step can give slots to. A slot that only a step in flight
   * still uses is free by then.
   */
  get startableCount(): number {
    return this.isStartPaused ? 0 : this.#slotCount - count(this.#running);
  }

  /** Those with a slot that have not ended, by arrival. */
  get running(): readonly Sequence[] {
    return this.#running;
  }

  /** Free slots, ascending. */
  get freeSlots(): readonly number[] {
    return this.#freeSlots;
  }

  /** The sequence of an id, if it has not ended. */
  alive(sequenceId: number): Sequence | null {
    const sequence = this.#byId.get(sequenceId);
    return sequence && !sequence.hasEnded ? sequence : null;
  }

  /** Queues a request. */
  add(request: SequenceRequest, step: number): Sequence {
    invariant(!this.#byId.has(request.sequenceId), "ids are not used twice at a time");
    const sequence = new Sequence(
      request,
      { index: this.#nextArrivalIndex++, step },
      this.#context,
    );
    this.#byId.set(request.sequenceId, sequence);
    this.#waiting.push(sequence);
    return sequence;
  }

  /** Gives the lowest free slot to a waiting sequence. */
  start(sequence: Sequence): number {
    const slot = this.#freeSlots.shift();
    invariant(slot !== undefined, "a slot is free");
    sequence.slot = slot;
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
    this.#running = byArrival([...this.#running, sequence]);
    this.isStartPaused = false;
    return slot;
  }

  /** Takes back everything a running sequence holds; it starts over when its turn comes. */
  preempt(sequence: Sequence): void {
    if (sequence.isReread) return this.end(sequence);
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#dropReady(sequence);
    this.#giveBack(sequence);
    sequence.restart();
    this.#waiting = byArrival([...this.#waiting, sequence]);
    this.isStartPaused = true;
    this.preemptionCount++;
  }

  /** Ends a sequence; what it holds is free once no step uses it. */
  end(sequence: Sequence): void {
    sequence.hasEnded = true;
    this.#dropReady(sequence);
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
    this.releaseIfUnused(sequence);
  }

  /** Frees what an ended sequence holds, if no step in flight uses it. */
  releaseIfUnused(sequence: Sequence): void {
    if (!sequence.hasEnded || sequence.inFlightCount > 0) return;
    if (!this.#byId.delete(sequence.request.sequenceId)) return;
    if (sequence.slot === -1) return;
    this.#giveBack(sequence);
    this.isStartPaused = false;
  }

  #dropReady(sequence: Sequence): void {
    for (const block of sequence.ready) {
      if (!("item" in block)) continue;
      for (const item of [block.item, block.near]) if (item) this.#cache.release(item);
    }
    sequence.ready = [];
    sequence.slice = null;
  }

  /** Frees the slot, and the blocks from the last to the first: so they are given up later. */
  #giveBack(sequence: Sequence): void {
    for (const item of sequence.keeping?.moved ?? []) this.#cache.release(item);
    const { pins } = sequence.request;
    const blockCount = Math.max(sequence.blocks.length, sequence.names.length);
    for (let blockIndex = blockCount - 1; blockIndex >= 0; blockIndex--) {
      const found = (["raw", "near"] as const).flatMap((kind) => {
        const key = sequence.keyOf(blockIndex, kind);
        return key === null ? [] : this.#cache.find(key) ?? [];
      });
      const item = sequence.blocks.at(blockIndex);
      if (pins !== undefined) {
        for (const each of [...found, item]) if (each?.key) this.#cache.pin(each, pins);
      }
      for (const each of found) this.#cache.touch(each);
      for (const each of [sequence.near.at(blockIndex), item]) {
        if (each) this.#cache.release(each);
      }
    }
    this.#freeSlots = [...this.#freeSlots, sequence.slot].sort((a, b) => a - b);
  }
}

/** How many of them are requests, not answers that are read again. */
function count(sequences: readonly Sequence[]): number {
  return sequences.filter(({ isReread }) => !isReread).length;
}

function byArrival(sequences: Sequence[]): Sequence[] {
  return sequences.sort((a, b) => a.arrivalIndex - b.arrivalIndex);
}
