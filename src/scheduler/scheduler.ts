/**
 * Decides what each step does: pure, with no GPU, clock or await. Events go in by {@link
 * Scheduler.admit}, {@link Scheduler.abort} and {@link Scheduler.commit}; out come {@link StepPlan}
 * values and a list of {@link SchedulerEvent}.
 *
 * @module
 */

import { EngineError, type EngineErrorCode, invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { type ArenaSize, BlockMemory, type RecordWordsRange } from "./block_memory.ts";
import type { SchedulerEvent, SchedulerStats } from "./events.ts";
import { Sequence, type SequenceRequest } from "./sequence.ts";
import type {
  DecodeRow,
  MeasureOp,
  PackOp,
  PrefillSlice,
  StepPlan,
  StepResult,
} from "./step_plan.ts";

export type { SchedulerEvent, SchedulerStats } from "./events.ts";
export type { SequenceRequest } from "./sequence.ts";

/** Steps that may be planned and not committed: the one on the GPU and the one recorded ahead. */
const IN_FLIGHT_STEP_COUNT_MAX = 2;

/** Limits and sizes the scheduler works within. */
export interface SchedulerOptions extends RecordWordsRange {
  /** Sequences that run at a time; slots are `0 ..< sequenceCountMax`. */
  sequenceCountMax: number;
  /** Requests that may wait. */
  waitingCountMax: number;
  /** Most prompt and generated tokens of a sequence. */
  contextLength: number;
  /** The arena of each group of layers. */
  arenas: readonly ArenaSize[];
}

interface InFlightStep {
  plan: StepPlan;
  /** Those whose slot or extents the step uses. */
  sequences: ReadonlySet<Sequence>;
}

/** Turns requests into steps. Queue and slots are first come, first served. */
export class Scheduler {
  #options: SchedulerOptions;
  #memory: BlockMemory;
  /**
   * Every sequence that holds anything, by id: waiting, running, or ended with a step in flight.
   */
  #sequences = new Map<number, Sequence>();
  #waiting: Sequence[] = [];
  /** By order of arrival. */
  #running: Sequence[] = [];
  #freeSlots: number[];
  #inFlight: InFlightStep[] = [];
  #events: SchedulerEvent[] = [];
  #nextStepIndex = 0;
  #nextArrivalIndex = 0;
  /** After a preemption nobody is admitted until a sequence gives its memory back. */
  #isAdmissionPaused = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#memory = new BlockMemory(options.arenas, options);
    this.#freeSlots = Array.from({ length: options.sequenceCountMax }, (_, slot) => slot);
  }

  /**
   * Queues a request.
   *
   * @throws {EngineError} `context_length_exceeded`, `cache_exhausted` if the arenas cannot hold it
   * even alone, `queue_full`.
   */
  admit(request: SequenceRequest): void {
    const { sequenceId, promptIds, maxTokens } = request;
    invariant(!this.#sequences.has(sequenceId), "sequence ids are not used twice at a time");
    if (promptIds.length < 1) throw new RangeError("Cannot admit a request: its prompt is empty");
    if (!(Number.isInteger(maxTokens) && maxTokens >= 1)) {
      throw new RangeError(
        `Cannot admit a request: maxTokens is ${maxTokens}, at least 1 is needed`,
      );
    }
    const sequence = new Sequence(request, this.#nextArrivalIndex);
    this.#checkLimits(sequence);
    this.#nextArrivalIndex++;
    this.#sequences.set(sequenceId, sequence);
    this.#waiting.push(sequence);
  }

  /**
   * Ends a sequence without an event; its memory is free once no step uses it. Unknown ids pass.
   */
  abort(sequenceId: number): void {
    const sequence = this.#sequences.get(sequenceId);
    if (sequence && !sequence.hasEnded) this.#end(sequence);
  }

  /**
   * Plans the next step. Null if there is nothing to do before the next event: either nothing is
   * left to run, or a step in flight must be committed first (two are, or one that measures).
   */
  plan(): StepPlan | null {
    if (this.#inFlight.length === IN_FLIGHT_STEP_COUNT_MAX) return null;
    if (this.#inFlight.some(({ plan }) => plan.measures.length > 0)) return null;
    const packs = this.#planPacks();
    this.#startWaiting();
    const decodes = this.#planDecodes();
    const slice = this.#planSlice();
    if (packs.length === 0 && decodes.length === 0 && slice === null) return null;
    const measures = this.#planMeasures();
    const plan = { stepIndex: this.#nextStepIndex++, packs, decodes, slice, measures };
    const used = new Set([...packs, ...decodes, ...(slice ? [slice] : [])].map(({ slot }) => slot));
    const sequences = new Set(this.#running.filter(({ slot }) => used.has(slot)));
    for (const sequence of sequences) sequence.inFlightCount++;
    this.#inFlight.push({ plan, sequences });
    return plan;
  }

  /** Takes in what the oldest step in flight gave. */
  commit(plan: StepPlan, result: StepResult): void {
    const step = this.#inFlight.shift();
    invariant(step?.plan === plan, "steps are committed in the order of planning");
    invariant(result.recordWords.length === plan.measures.length, "each measure has its sizes");
    for (const sequence of step.sequences) sequence.inFlightCount--;
    if (plan.slice) this.#commitSlice(plan.slice, result);
    for (const { sequenceId } of plan.decodes) this.#commitToken(sequenceId, result);
    plan.measures.forEach((measure, jobIndex) => this.#commitMeasure(measure, jobIndex, result));
    for (const sequence of step.sequences) this.#releaseIfUnused(sequence);
  }

  /** Takes the events since the last call, oldest first. */
  drainEvents(): SchedulerEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Counts of sequences and words now. */
  stats(): SchedulerStats {
    const { allocatedWordCount, capacityWordCount, packedWordCount } = this.#memory;
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    return {
      runningCount: this.#running.length,
      waitingCount: this.#waiting.length,
      cacheUsage: allocatedWordCount / capacityWordCount,
      sealedBlockCount: sum([...this.#sequences.values()].map(({ blocks }) => blocks.length)),
      storedTokenCount: sum(this.#running.map(({ plannedTokenCount }) => plannedTokenCount)),
      packedWordCount,
      allocatedWordCount,
      capacityWordCount,
    };
  }

  /** Throws unless every sequence, slot and extent is where it belongs, once. */
  checkIntegrity(): void {
    const all = [...this.#sequences.values()];
    for (const sequence of all) {
      sequence.checkIntegrity();
      const stepCount = this.#inFlight.filter(({ sequences }) => sequences.has(sequence)).length;
      invariant(sequence.inFlightCount === stepCount, "steps in flight are counted");
      const lists = [this.#waiting, this.#running].filter((list) => list.includes(sequence));
      invariant(lists.length === (sequence.hasEnded ? 0 : 1), "a live sequence waits or runs");
      invariant(!sequence.hasEnded || stepCount > 0, "an ended sequence is released in time");
      const holdsSlot = sequence.slot !== -1;
      invariant(
        holdsSlot === !this.#waiting.includes(sequence),
        "all but waiting ones hold a slot",
      );
    }
    const named = [...this.#waiting, ...this.#running];
    for (const { sequences } of this.#inFlight) named.push(...sequences);
    const isKnown = named.every((sequence) => all.includes(sequence));
    invariant(isKnown, "whoever lives or is used by a step holds its slot and extents");
    const slots = [...this.#freeSlots, ...all.map(({ slot }) => slot).filter((slot) => slot >= 0)];
    invariant(slots.length === this.#options.sequenceCountMax, "no slot is lost");
    invariant(new Set(slots).size === slots.length, "no slot is held twice");
    for (const list of [this.#waiting, this.#running]) {
      const arrivals = list.map(({ arrivalIndex }) => arrivalIndex);
      const isOrdered = arrivals.every((arrival, i) => i === 0 || arrivals[i - 1] < arrival);
      invariant(isOrdered, "sequences are in order of arrival");
    }
    this.#memory.checkIntegrity(all.flatMap(({ blocks }) => blocks));
  }

  #checkLimits(sequence: Sequence): void {
    const { contextLength, waitingCountMax } = this.#options;
    const { promptIds, maxTokens } = sequence.request;
    if (promptIds.length + maxTokens > contextLength) {
      throw new EngineError(
        "context_length_exceeded",
        `Cannot admit the request: ${promptIds.length} prompt tokens and ${maxTokens} to ` +
          `generate are ${
            promptIds.length + maxTokens
          }, more than the context of ${contextLength} tokens`,
      );
    }
    const shortage = this.#memory.shortage(sequence.finalBlockCount);
    if (shortage) {
      throw new EngineError(
        "cache_exhausted",
        `Cannot admit the request: its KV cache takes at least ${shortage.needWordCount} words, ` +
          `more than the ${shortage.capacityWordCount} there are`,
      );
    }
    if (this.#waiting.length >= waitingCountMax) {
      throw new EngineError(
        "queue_full",
        `Cannot admit the request: ${waitingCountMax} requests are waiting already`,
      );
    }
  }

  /** Packs what the last step measured, oldest sequence first; makes room by preemption. */
  #planPacks(): PackOp[] {
    for (const sequence of [...this.#running]) {
      for (const { recordWords } of sequence.measured) {
        if (!this.#running.includes(sequence)) break;
        const block = this.#allocate(sequence, recordWords);
        if (block) sequence.blocks.push(block);
      }
    }
    return this.#running.flatMap((sequence) => {
      const { slot, measured } = sequence;
      sequence.measured = [];
      return measured.map(({ blockIndex, jobIndex }) => {
        return { slot, blockIndex, jobIndex, ...sequence.blocks[blockIndex] };
      });
    });
  }

  /** A block's extents, after preempting the youngest as needed; null if that ended `sequence`. */
  #allocate(sequence: Sequence, recordWords: readonly number[]) {
    while (true) {
      const block = this.#memory.allocate(recordWords);
      if (block) return block;
      if (this.#running.length === 1) {
        this.#failExhausted(sequence);
        return null;
      }
      const youngest = this.#running.at(-1)!;
      this.#preempt(youngest);
      if (youngest === sequence) return null;
    }
  }

  /** Takes back everything a running sequence holds; it starts over from the front of the queue. */
  #preempt(sequence: Sequence): void {
    invariant(this.#inFlight.length === 0, "memory is only short when no step is in flight");
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#giveBack(sequence);
    sequence.restart();
    this.#waiting.unshift(sequence);
    this.#isAdmissionPaused = true;
  }

  /** Gives slots to waiting sequences while their expected need fits beside that of the others. */
  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#freeSlots.length > 0) {
      const sequence = this.#waiting[0];
      if (this.#running.length > 0) {
        if (this.#isAdmissionPaused) return;
        let blockCount = sequence.finalBlockCount;
        for (const { finalBlockCount, blocks } of this.#running) {
          blockCount += finalBlockCount - blocks.length;
        }
        if (!this.#memory.isRoomExpected(blockCount)) return;
      }
      this.#isAdmissionPaused = false;
      this.#waiting.shift();
      sequence.slot = this.#freeSlots.shift()!;
      this.#running.push(sequence);
    }
  }

  #planDecodes(): DecodeRow[] {
    return this.#running
      .filter((sequence) => !sequence.isPrefilling && !sequence.isPlannedOut)
      .map((sequence) => ({
        sequenceId: sequence.request.sequenceId,
        slot: sequence.slot,
        position: sequence.takeDecode(),
        blockCount: sequence.blocks.length,
      }));
  }

  #planSlice(): PrefillSlice | null {
    const sequence = this.#running.find(({ isPrefilling }) => isPrefilling);
    if (sequence === undefined) return null;
    const { request: { sequenceId }, slot, blocks } = sequence;
    return { sequenceId, slot, blockCount: blocks.length, ...sequence.takeSlice() };
  }

  #planMeasures(): MeasureOp[] {
    return this.#running.flatMap((sequence) => {
      const { request: { sequenceId }, slot } = sequence;
      return sequence.takeMeasures().map((blockIndex) => ({ sequenceId, slot, blockIndex }));
    });
  }

  #commitSlice(slice: PrefillSlice, result: StepResult): void {
    const { sequenceId, position, ids, isLast } = slice;
    const sequence = this.#sequences.get(sequenceId);
    if (!sequence || sequence.hasEnded) return;
    const promptTokenCount = sequence.request.promptIds.length;
    const processedTokenCount = Math.min(position + ids.length, promptTokenCount);
    if (processedTokenCount > sequence.reportedTokenCount) {
      sequence.reportedTokenCount = processedTokenCount;
      this.#events.push({ type: "prefill", sequenceId, processedTokenCount, promptTokenCount });
    }
    if (isLast) this.#commitToken(sequenceId, result);
  }

  #commitToken(sequenceId: number, result: StepResult): void {
    const sequence = this.#sequences.get(sequenceId);
    if (!sequence || sequence.hasEnded) return;
    const id = result.ids.get(sequenceId);
    invariant(id !== undefined, "a step that samples for a sequence gives its token");
    const { eosIds, ignoreEos, maxTokens } = sequence.request;
    if (!ignoreEos && eosIds.includes(id)) return this.#finish(sequence, "stop");
    sequence.append(id);
    this.#events.push({ type: "token", sequenceId, id });
    if (sequence.generatedCount === maxTokens) this.#finish(sequence, "length");
  }

  #commitMeasure(measure: MeasureOp, jobIndex: number, result: StepResult): void {
    const { sequenceId, blockIndex } = measure;
    const sequence = this.#sequences.get(sequenceId);
    if (!sequence || sequence.hasEnded) return;
    if (result.refused.includes(jobIndex)) {
      const first = blockIndex * BLOCK_TOKEN_COUNT;
      const message = `Cannot seal tokens ${first} to ${first + BLOCK_TOKEN_COUNT - 1}: ` +
        `their keys or values are not finite`;
      return this.#fail(sequence, "non_finite_values", message);
    }
    const recordWords = result.recordWords[jobIndex];
    this.#memory.learn(recordWords);
    sequence.measured.push({ blockIndex, jobIndex, recordWords });
  }

  #finish(sequence: Sequence, reason: "stop" | "length"): void {
    const { request: { sequenceId, promptIds }, generatedCount } = sequence;
    this.#events.push({
      type: "finish",
      sequenceId,
      reason,
      promptTokenCount: promptIds.length,
      completionTokenCount: generatedCount,
    });
    this.#end(sequence);
  }

  #failExhausted(sequence: Sequence): void {
    const { capacityWordCount } = this.#memory;
    const message = `Cannot store more tokens: the KV cache of ${capacityWordCount} words is ` +
      `exhausted after ${sequence.blocks.length * BLOCK_TOKEN_COUNT} packed tokens`;
    this.#fail(sequence, "cache_exhausted", message);
  }

  #fail(sequence: Sequence, code: EngineErrorCode, message: string): void {
    const { sequenceId } = sequence.request;
    this.#events.push({ type: "failed", sequenceId, code, message });
    this.#end(sequence);
  }

  #end(sequence: Sequence): void {
    sequence.hasEnded = true;
    sequence.measured = [];
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
    this.#releaseIfUnused(sequence);
  }

  #releaseIfUnused(sequence: Sequence): void {
    if (!sequence.hasEnded || sequence.inFlightCount > 0) return;
    const { sequenceId } = sequence.request;
    if (!this.#sequences.delete(sequenceId)) return;
    if (sequence.slot === -1) return;
    this.#giveBack(sequence);
    this.#isAdmissionPaused = false;
  }

  /** Frees slot and extents. */
  #giveBack(sequence: Sequence): void {
    for (const block of sequence.blocks) this.#memory.release(block);
    this.#freeSlots.push(sequence.slot);
    this.#freeSlots.sort((a, b) => a - b);
  }
}
