/**
 * Decides what each step does: pure, with no GPU, clock or await. Events go in by {@link
 * Scheduler.admit}, {@link Scheduler.abort} and {@link Scheduler.commit}; out come {@link StepPlan}
 * values and a list of {@link SchedulerEvent}.
 *
 * @module
 */

import { type EngineErrorCode, invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { checkLimits, IN_FLIGHT_STEP_COUNT, type SchedulerOptions } from "./admission.ts";
import { BlockCache } from "./block_cache.ts";
import { BlockMemory } from "./block_memory.ts";
import { BlockPlacer } from "./block_placer.ts";
import type { SchedulerEvent, SchedulerStats } from "./events.ts";
import { checkScheduler } from "./integrity.ts";
import {
  acceptedTokens,
  type DraftCounts,
  type DraftedFields,
  planDecodes,
} from "./decode_planner.ts";
import { countsOf, slotOf, type SlotStats } from "./counts.ts";
import { planGathers, planMeasures } from "./measure_planner.ts";
import { planSlice } from "./slice_planner.ts";
import { type Beyond, findBeyond } from "./beginning.ts";
import { type HostEntry, HostIndex } from "./host_index.ts";
import { Rereads } from "./rereads.ts";
import { SaveQueue } from "./save_queue.ts";
import { type InFlightStep, Roster } from "./roster.ts";
import { Sequence } from "./sequence.ts";
import type { SequenceRequest } from "./sequence_parts.ts";
import { type SequenceContext, sequenceContext } from "./sequence_context.ts";
import { Shelf } from "./shelf.ts";
import { type Opening, Starter } from "./starter.ts";
import { SwapSpace } from "./swap_space.ts";
import type {
  DecodeRow,
  MeasureOp,
  PrefillSlice,
  StepPlan,
  StepResult,
  TileOp,
} from "./step_plan.ts";

export type { SchedulerOptions } from "./admission.ts";
export type { SchedulerEvent, SchedulerStats } from "./events.ts";
export type { SequenceRequest } from "./sequence_parts.ts";

/** Turns requests into steps. */
export class Scheduler {
  /** Blocks for saving and restoring sequences. */
  readonly shelf: Shelf;
  #options: SchedulerOptions;
  #context: SequenceContext;
  #cache: BlockCache;
  #roster: Roster;
  #host: HostIndex | null;
  #saves: SaveQueue | null;
  #swaps: SwapSpace | null;
  #rereads: Rereads;
  #inFlight: InFlightStep[] = [];
  #events: SchedulerEvent[] = [];
  #nextStepIndex = 0;
  #starter: Starter;
  #placer: BlockPlacer;
  #draftCounts: DraftCounts = { draftTokenCount: 0, acceptedTokenCount: 0 };

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { host, prefix, blockEvents } = options;
    const memory = new BlockMemory(options.arenas, options, options.near ?? undefined);
    this.#cache = new BlockCache(memory, options.retention, blockEvents?.watcher("gpu"));
    this.#context = sequenceContext(options);
    this.#roster = new Roster(this.#cache, options.sequenceCountMax, this.#context);
    this.#rereads = new Rereads(this.#roster, options.sequenceCountMax);
    this.#host = host
      ? new HostIndex(host.capacityBytes, undefined, blockEvents?.watcher("cpu"))
      : null;
    this.#swaps = this.#host && prefix ? new SwapSpace(this.#host, prefix.tileWords) : null;
    const tiers = { cache: this.#cache, host: this.#host };
    this.#starter = new Starter(this.#roster, { ...tiers, swaps: this.#swaps });
    this.shelf = new Shelf(tiers, this.#context);
    this.#saves = host && this.#host
      ? new SaveQueue(this.#cache, this.#host, host.saveWordCountMax)
      : null;
    this.#placer = new BlockPlacer({
      roster: this.#roster,
      cache: this.#cache,
      saves: this.#saves,
      swaps: this.#swaps,
      onExhausted: (sequence) => this.#failExhausted(sequence),
    });
  }

  /**
   * Queues a request.
   *
   * @throws {EngineError} `context_length_exceeded`, `cache_exhausted` if the arenas cannot hold it
   * even alone, `queue_full`.
   */
  admit(request: SequenceRequest): void {
    checkLimits(request, {
      options: this.#options,
      memory: this.#cache.memory,
      policy: this.#context.policy,
      waitingCount: this.#roster.waitingCount,
      startableCount: this.#roster.startableCount,
    });
    this.#rereads.leaveTo(this.#roster.add(request, this.#nextStepIndex));
  }

  /** Drops answers that were to be read again for a next turn. */
  dropRereads(): void {
    this.#rereads.clear();
  }

  /**
   * Ends a sequence without an event; its memory is free once no step uses it. Unknown ids pass.
   */
  abort(sequenceId: number): void {
    const sequence = this.#roster.alive(sequenceId);
    if (!sequence) return;
    this.#roster.end(sequence);
    this.#swaps?.forget(sequence);
  }

  /** Notes that the bytes of a block have been put into host memory. */
  addToHost(entry: HostEntry): void {
    this.#host?.add(entry);
  }

  /** What a request would gain from beside what is on the device and on the host; null: nothing. */
  beyond(request: SequenceRequest): Beyond | null {
    const host = this.#host;
    if (host === null || this.#context.prefixRoot === null || request.skipsCache) return null;
    const sequence = new Sequence(request, { index: 0, step: 0 }, this.#context);
    return findBeyond(sequence, { cache: this.#cache, host });
  }

  /**
   * Plans the next step. Null if there is nothing to do before the next event: either nothing is
   * left to run, or a step in flight must be committed first (as many are as may be, or one that
   * measures).
   */
  plan(): StepPlan | null {
    const { inFlightStepCountMax = IN_FLIGHT_STEP_COUNT } = this.#options;
    if (this.#inFlight.length === inFlightStepCountMax) return null;
    if (this.#inFlight.some(({ plan }) => plan.measures.length > 0)) return null;
    const loads = this.shelf.takeLoads();
    const opening: Opening = { starts: [], loads, swaps: [], packs: [], links: [], restores: [] };
    this.#placer.run(opening, this.#inFlight.length === 0);
    this.#starter.run(opening, this.#nextStepIndex);
    const decodes = planDecodes(this.#roster.running, this.#options.drafts ?? { rowCountMax: 0 });
    const slice = planSlice(this.#roster.running, this.#options, {
      decodeCount: decodes.length,
      stepIndex: this.#nextStepIndex,
    });
    const { swaps, packs, links, restores } = opening;
    const gathers = planGathers(this.#roster.running);
    const rows = [...decodes, ...(slice ? [slice] : [])];
    const uses = [...packs, ...links, ...restores, ...rows, ...gathers];
    const keeps = slice?.isComplete ? this.#planKeeps(slice) : [];
    // After everything that may give blocks up.
    const saves = this.#saves?.take() ?? [];
    const copyCount = saves.length + loads.length + swaps.length;
    if (uses.length === 0 && copyCount === 0) return null;
    const measures = [...planMeasures(this.#roster.running, this.#cache), ...gathers];
    const stepIndex = this.#nextStepIndex++;
    const drops = this.#host?.takeDropped() ?? [];
    const plan = { stepIndex, ...opening, decodes, slice, keeps, measures, saves, drops };
    const used = new Set(uses.map(({ slot }) => slot));
    const sequences = new Set(this.#roster.running.filter(({ slot }) => used.has(slot)));
    for (const sequence of sequences) sequence.inFlightCount++;
    this.#inFlight.push({ plan, sequences });
    return plan;
  }

  /** Applies the result of the oldest step in flight. */
  commit(plan: StepPlan, result: StepResult): void {
    const step = this.#inFlight.shift();
    invariant(step?.plan === plan, "steps are committed in the order of planning");
    invariant(result.recordWords.length === plan.measures.length, "each measure has its sizes");
    for (const sequence of step.sequences) sequence.inFlightCount--;
    if (plan.slice?.isComplete) this.#commitSlice(plan.slice, result);
    for (const row of plan.decodes) this.#commitRow(row, result);
    plan.measures.forEach((measure, jobIndex) => this.#commitMeasure(measure, jobIndex, result));
    this.#saves?.commit(plan.saves);
    this.#swaps?.commit(plan.swaps, this.#roster.waiting);
    for (const sequence of step.sequences) this.#roster.releaseIfUnused(sequence);
  }

  /** How many requests wait for a slot or for memory. */
  get waitingCount(): number {
    return this.#roster.waitingCount;
  }

  /** Takes the events since the last call, oldest first. */
  drainEvents(): SchedulerEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Counts of sequences and words now. */
  stats(): SchedulerStats {
    const hostBytes = this.#host?.usedBytes ?? 0;
    const counts = { ...this.#starter.counts, ...this.#draftCounts };
    return { ...countsOf(this.#roster, this.#cache), ...counts, hostBytes };
  }

  /** What runs in each slot that is in use. */
  slots(): SlotStats[] {
    return this.#roster.running.map(slotOf);
  }

  /** Throws unless every sequence, slot and extent is where it belongs, once. */
  checkIntegrity(): void {
    checkScheduler({
      roster: this.#roster,
      inFlight: this.#inFlight,
      slotCount: this.#options.sequenceCountMax,
      cache: this.#cache,
      host: this.#host,
      held: this.shelf.held,
    });
  }

  /** Keeps the raw tile that a slice completed, if others may begin behind it and there is room. */
  #planKeeps({ sequenceId, slot }: PrefillSlice): TileOp[] {
    const sequence = this.#roster.alive(sequenceId)!;
    const { prefix } = this.#options;
    const blockIndex = sequence.completedKeptTile();
    const key = blockIndex === null ? null : sequence.keyOf(blockIndex, "raw");
    if (!prefix || blockIndex === null || key === null || this.#cache.find(key)) return [];
    const item = this.#cache.add("raw", key, { recordWords: prefix.tileWords });
    if (item === null) return [];
    this.#saves?.note(item);
    return [{ slot, blockIndex, recordOffsets: item.block.recordOffsets }];
  }

  #commitSlice(slice: PrefillSlice, result: StepResult): void {
    const { sequenceId, position, ids, isLast } = slice;
    const sequence = this.#roster.alive(sequenceId);
    if (!sequence) return;
    const promptTokenCount = sequence.request.promptIds.length;
    const processedTokenCount = Math.min(position + ids.length, promptTokenCount);
    if (processedTokenCount > sequence.reportedTokenCount) {
      sequence.reportedTokenCount = processedTokenCount;
      const cachedTokenCount = sequence.cachedTokenCount ?? 0;
      const counts = { processedTokenCount, promptTokenCount, cachedTokenCount };
      this.#events.push({ type: "prefill", sequenceId, ...counts });
    }
    if (isLast && sequence.keeping?.awaitsScores) sequence.keeping.decide(result.scores ?? []);
    const last = { sequenceId, position: position + ids.length - 1, draftIds: [] };
    if (isLast) this.#commitRow(last, result);
    const isWhole = position + ids.length === promptTokenCount;
    if (sequence.request.maxTokens === 0 && isWhole) this.#finish(sequence, "length");
  }

  #commitRow(row: Pick<DecodeRow, DraftedFields>, result: StepResult): void {
    const { sequenceId, position, draftIds } = row;
    const sequence = this.#roster.alive(sequenceId);
    if (!sequence || sequence.isKnownSample(position)) return;
    const tokens = acceptedTokens(row, result);
    invariant(tokens.length > 0, "a step that samples for a sequence gives its token");
    if (draftIds.length > 0) sequence.settleDrafts(tokens.length - 1);
    this.#draftCounts.draftTokenCount += draftIds.length;
    this.#draftCounts.acceptedTokenCount += tokens.length - 1;
    const { eosIds, ignoreEos, maxTokens } = sequence.request;
    for (const id of tokens) {
      if (!ignoreEos && eosIds.includes(id)) return this.#finish(sequence, "stop", id);
      sequence.append(id);
      this.#events.push({ type: "token", sequenceId, id });
      if (sequence.generatedCount === maxTokens) return this.#finish(sequence, "length");
    }
  }

  #commitMeasure(measure: MeasureOp, jobIndex: number, result: StepResult): void {
    const { sequenceId, blockIndex } = measure;
    const sequence = this.#roster.alive(sequenceId);
    if (!sequence) return;
    if (result.refused.includes(jobIndex)) {
      const first = blockIndex * BLOCK_TOKEN_COUNT;
      const message = `Cannot seal tokens ${first} to ${first + BLOCK_TOKEN_COUNT - 1}: ` +
        `their keys or values are not finite`;
      return this.#fail(sequence, "non_finite_values", message);
    }
    const recordWords = result.recordWords[jobIndex];
    this.#cache.memory.learn(recordWords);
    const tokenCounts = result.tokenCounts?.[jobIndex];
    const sizes = tokenCounts ? { recordWords, tokenCounts } : { recordWords };
    const isGathered = measure.gather !== undefined;
    sequence.ready.push({ blockIndex, jobIndex, ...sizes, ...(isGathered ? { isGathered } : {}) });
  }

  #finish(sequence: Sequence, reason: "stop" | "length", endId: number | null = null): void {
    const { request: { sequenceId, promptIds }, generatedCount } = sequence;
    this.#events.push({
      type: "finish",
      sequenceId,
      reason,
      promptTokenCount: promptIds.length,
      cachedTokenCount: sequence.cachedTokenCount ?? 0,
      completionTokenCount: generatedCount,
      ...(endId === null ? {} : { endId }),
      ...(sequence.keeping?.report && { kept: sequence.keeping.report }),
    });
    this.#roster.end(sequence);
    this.#rereads.note(sequence, endId, this.#nextStepIndex);
  }

  #failExhausted(sequence: Sequence): void {
    const { capacityWordCount } = this.#cache.memory;
    const message = `Cannot store more tokens: the KV cache of ${capacityWordCount} words is ` +
      `exhausted after ${sequence.blocks.length * BLOCK_TOKEN_COUNT} packed tokens`;
    this.#fail(sequence, "cache_exhausted", message);
  }

  #fail(sequence: Sequence, code: EngineErrorCode, message: string): void {
    const { sequenceId } = sequence.request;
    this.#events.push({ type: "failed", sequenceId, code, message });
    this.#roster.end(sequence);
  }
}
