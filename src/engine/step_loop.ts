/**
 * The loop that runs the engine: plan, encode, submit, read, commit, post. While the GPU runs one
 * step the next is encoded; it is submitted when the first was read, before anything else is done,
 * or before that where reading takes long (`decisions/64_steps_are_read_later.md`).
 *
 * @module
 */

import { EngineError, type EngineErrorCode } from "../core/errors.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import { requestedRead } from "../runtime/read_method.ts";
import { keepMethod } from "../scheduler/keep/registry.ts";
import type { SchedulerEvent, SequenceRequest } from "../scheduler/scheduler.ts";
import type { StoredBlock } from "../tiers/block_format.ts";
import type { TierClient } from "../tiers/tier_client.ts";
import type { PrefillSlice, StepPlan } from "../scheduler/step_plan.ts";
import { sizesOf } from "../scheduler/block_memory.ts";
import { isOwnKey, kindOfKey } from "../scheduler/block_key.ts";
import type { SliceOptions } from "../model/forward_graph.ts";
import type { Runtime } from "../runtime/load.ts";
import type { FromWorker, GenerateMessage } from "./messages.ts";
import { bringBlocks } from "./bring_blocks.ts";
import { PrefillSpeed } from "./prefill_speed.ts";
import { keptPrompt } from "../runtime/kept_prompt.ts";
import { canSpeculate, RunningSequence } from "./running_sequence.ts";
import { Slots } from "./slots.ts";
import { nextTask } from "./next_task.ts";
import { StepCounts } from "./step_counts.ts";
import type { FinishedStep, PreparedStep } from "../runtime/step_driver.ts";
import { logprobsBySequence } from "../runtime/read_reports.ts";
import type { StepOutcome } from "../runtime/step_runner.ts";
import { unreadCountOf } from "./token_use.ts";
import type { EngineStats, TokenLogprobs } from "./types.ts";

/** Drives one runtime until stopped. */
export class StepLoop {
  readonly slots: Slots;
  #runtime: Runtime;
  #send: (message: FromWorker) => void;
  /** Requests whose blocks are being read from disk. */
  #fetching = new Set<number>();
  /** Where blocks are kept beyond the host, the nearest first. */
  #tiers: readonly TierClient[];
  #sequences = new Map<number, RunningSequence>();
  #wake: (() => void) | null = null;
  #isStopping = false;
  /** When to stop even if blocks are still to be copied; null while requests are served. */
  #finishByMs: number | null = null;
  #stopped = Promise.withResolvers<void>();
  #prefillSpeed = new PrefillSpeed();
  readonly #counts = new StepCounts();

  constructor(runtime: Runtime, send: (message: FromWorker) => void) {
    this.#runtime = runtime;
    this.#send = send;
    this.#tiers = [runtime.disk, runtime.store].filter((tier) => tier !== null);
    this.slots = new Slots(runtime);
  }

  /** Runs a step for changes that come from no request. */
  wake(): void {
    this.#wake?.();
  }

  /** Admits a request; a refusal is sent back as the sequence's failure. */
  generate(request: GenerateMessage): void {
    const { scheduler } = this.#runtime.driver;
    const beyond = this.#tiers.length > 0 ? scheduler.beyond(this.#sequenceOf(request)) : null;
    if (beyond === null) return this.#admit(request);
    this.#fetching.add(request.sequenceId);
    const bringing = {
      tiers: this.#tiers,
      msPerToken: this.#prefillSpeed.msPerToken,
      add: (block: StoredBlock) => this.#addToHost(block),
    };
    void bringBlocks(beyond, bringing).then(() => {
      if (this.#fetching.delete(request.sequenceId)) this.#admit(request);
    });
  }

  #addToHost(block: StoredBlock): void {
    const { runner, scheduler } = this.#runtime.driver;
    const { key, words } = block;
    runner.host.blocks.set(key, words);
    scheduler.addToHost({ key, kind: kindOfKey(key), ...sizesOf(block) });
  }

  #sequenceOf(request: GenerateMessage): SequenceRequest {
    const { sequenceId, promptIds, maxTokens, ignoreEos, priority } = request;
    const { cacheSalt, skipsCache, messageEnds, isContinued } = request;
    const limits = { maxTokens, eosIds: this.#runtime.eosIds, ignoreEos };
    const pins = request.pins === null ? {} : { pins: request.pins };
    const cached = { cacheSalt, skipsCache, messageEnds, isContinued, ...pins };
    const drafts = canSpeculate(request);
    const text = request.keep ?? this.#runtime.info.keep;
    const keep = text === null ? null : keepMethod(text);
    return { sequenceId, promptIds, ...limits, priority, ...cached, drafts, keep };
  }

  #admit(request: GenerateMessage): void {
    const { sequenceId } = request;
    try {
      this.#runtime.driver.scheduler.admit(this.#sequenceOf(request));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#sendFailure(sequenceId, error.code, error.message);
      return;
    }
    this.#sequences.set(sequenceId, new RunningSequence(request, this.#runtime.finalNorm));
    this.#wake?.();
  }

  /** Ends a sequence; nothing more is sent for it. */
  abort(sequenceId: number): void {
    this.#fetching.delete(sequenceId);
    if (!this.#sequences.delete(sequenceId)) return;
    this.#runtime.driver.scheduler.abort(sequenceId);
    this.#wake?.();
  }

  /** Runs until {@link stop}; throws once the device has failed, and commits nothing then. */
  async run(): Promise<void> {
    const { driver } = this.#runtime;
    let prepared: PreparedStep | null = null;
    try {
      while (true) {
        if (!this.#isStopping) prepared = this.#submitAhead(prepared);
        this.#sendEvents();
        if (driver.unreadCount === 0) {
          if (this.#isStopping || this.#finishByMs !== null) break;
          await this.#sleep();
          continue;
        }
        prepared = await this.#read(prepared);
        if (performance.now() > (this.#finishByMs ?? Infinity)) this.#isStopping = true;
        await nextTask();
      }
    } finally {
      this.#stopped.resolve();
    }
  }

  /**
   * Ends every sequence, then the loop. With a disk tier the loop first hands it the blocks that
   * others can use.
   *
   * @param limitMs Longest wait for that.
   */
  async finish(limitMs: number): Promise<void> {
    if (this.#tiers.length === 0) return await this.stop();
    this.#fetching.clear();
    for (const sequenceId of [...this.#sequences.keys()]) this.abort(sequenceId);
    this.#runtime.driver.scheduler.dropRereads();
    this.#finishByMs = performance.now() + limitMs;
    this.#wake?.();
    await this.#stopped.promise;
  }

  /** Ends the loop once all that is submitted is read, or waits for the failure that ended it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.#stopped.promise;
  }

  /** A snapshot of counts and bytes. */
  stats(): EngineStats {
    const { driver, gpu, cacheBytes, layerBytes } = this.#runtime;
    const stats = driver.scheduler.stats();
    return {
      runningSequenceCount: stats.runningCount,
      waitingSequenceCount: stats.waitingCount,
      cacheUsage: stats.cacheUsage,
      cacheBytes: cacheBytes(),
      layerBytes: layerBytes(),
      retainedBytes: stats.retainedWordCount * WORD_SIZE_BYTES,
      hostBytes: stats.hostBytes,
      store: this.#runtime.store?.counts ?? null,
      diskBytes: this.#runtime.disk?.usedBytes ?? 0,
      sharedBlockCount: stats.sharedBlockCount,
      deviceBytes: gpu.allocatedBytes,
      preemptionCount: stats.preemptionCount,
      prefixQueryCount: stats.prefixQueryCount,
      prefixHitCount: stats.prefixHitCount,
      draftTokenCount: stats.draftTokenCount,
      acceptedTokenCount: stats.acceptedTokenCount,
      ...driver.runner.readCounts,
      ...driver.runner.valueCounts,
      ...driver.runner.sealer.describedCounts,
      ...this.#counts.totals,
    };
  }

  #prepare(): PreparedStep | null {
    return this.#runtime.driver.prepare((plan) => this.#start(plan));
  }

  /** Sets up what starts with a step; what is to be scored and pooled of its slice. */
  #start(plan: StepPlan): SliceOptions {
    const { runner } = this.#runtime.driver;
    for (const { sequenceId, slot, storedIds } of plan.starts) {
      const sequence = this.#sequences.get(sequenceId);
      sequence?.start();
      if (sequence) this.slots.note(slot, sequence.request);
      if (sequence) this.#setRead(slot, sequence.request.read);
      if (sequence) runner.setSampling(slot, sequence.request.sampling, sequence.extras(storedIds));
    }
    // Such a step may sample while it is encoded.
    if (!runner.encodesAhead) this.#writeMasks(plan);
    const { slice } = plan;
    const sliced = slice && this.#sequences.get(slice.sequenceId);
    if (!sliced) return {};
    return { scored: sliced.scoredRows(slice), hidden: sliced.pooledRows(slice) };
  }

  #setRead(slot: number, text: string | null): void {
    const { driver: { runner: { reading } }, info } = this.#runtime;
    const { blockCount, share } = requestedRead(text, info.read);
    reading?.set(slot, blockCount);
    reading?.setShare(slot, share ?? 1);
  }

  /**
   * Submits the steps that may be submitted before anything is read: `prepared` and what follows.
   *
   * @returns The one behind them; null if none can be encoded yet.
   */
  #submitAhead(prepared: PreparedStep | null): PreparedStep | null {
    const { driver } = this.#runtime;
    let next = prepared ?? this.#prepare();
    while (next !== null && this.#maySubmit(next.plan)) {
      this.#submit(next);
      next = driver.runner.encodesAhead ? this.#prepare() : null;
    }
    return next;
  }

  #submit(prepared: PreparedStep): void {
    const { driver } = this.#runtime;
    if (driver.runner.encodesAhead) this.#writeMasks(prepared.plan);
    driver.submit(prepared);
  }

  /** Whether a step may be submitted behind those that are not read. */
  #maySubmit(plan: StepPlan): boolean {
    const { driver, driver: { runner, scheduler } } = this.#runtime;
    // Who waits, for a slot or for memory, gets it once no step uses it.
    const countMax = scheduler.waitingCount > 0 ? 1 : runner.unreadCountMax;
    const counts = plan.decodes.map(({ sequenceId }) => {
      const request = this.#sequences.get(sequenceId)?.request;
      return request ? unreadCountOf(request, runner.readsAll) : countMax;
    });
    return driver.maySubmit(plan, Math.min(countMax, ...counts));
  }

  /** Whether a step has a row whose next token must be one that a grammar allows. */
  #isMasked({ decodes, slice }: StepPlan): boolean {
    const rows = slice === null ? decodes : [...decodes, slice];
    return rows.some(({ sequenceId }) => this.#sequences.get(sequenceId)?.mask);
  }

  /**
   * Waits for the oldest step, submits the next if it can do without the tokens of that, and sends
   * what came.
   *
   * @param prepared The next one; null if it is not planned.
   * @returns The same, or null if it is submitted.
   */
  async #read(prepared: PreparedStep | null): Promise<PreparedStep | null> {
    const { driver, gpu } = this.#runtime;
    gpu.throwIfFailed();
    const finished = await driver.read();
    gpu.throwIfFailed();
    const isNext = prepared !== null && !this.#isStopping && !this.#isMasked(prepared.plan) &&
      this.#maySubmit(prepared.plan);
    if (isNext) this.#submit(prepared);
    for (const step of finished) this.#commit(step);
    return isNext ? null : prepared;
  }

  /** Counts what a step did and sends what came of it. */
  #commit(finished: FinishedStep): void {
    const { plan, outcome } = finished;
    this.#runtime.driver.commit(finished);
    const { slice } = plan;
    if (slice && outcome.tookMs !== null) {
      const share = (slice.layers.end - slice.layers.first) /
        this.#runtime.info.layerReaches.length;
      this.#prefillSpeed.note(slice.ids.length * share, outcome.tookMs);
    }
    this.#writeBehind(plan);
    this.#counts.count(finished);
    if (slice && outcome.promptLogprobs.length > 0) this.#sendScores(slice, outcome);
    if (slice && outcome.hidden.length > 0) this.#sendPooled(slice, outcome);
    this.#sendEvents(logprobsBySequence(plan, outcome));
  }

  /**
   * Sets the masks of rows that follow a grammar. A mask depends on the token before, so it is
   * known last, after a step that is encoded ahead.
   */
  #writeMasks({ decodes, slice }: StepPlan): void {
    const { graph } = this.#runtime.driver.runner;
    let draftCount = 0;
    const rows = slice?.isLast ? [...decodes, { ...slice, draftIds: [] }] : decodes;
    for (const { sequenceId, slot, draftIds } of rows) {
      const firstDraft = draftCount;
      draftCount += draftIds.length;
      const mask = this.#sequences.get(sequenceId)?.mask ?? null;
      if (mask === null) continue;
      try {
        graph.setMasks(slot, mask.wait(draftIds), firstDraft);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        this.abort(sequenceId);
        this.#sendFailure(sequenceId, error.code, error.message);
      }
    }
  }

  #sendScores({ sequenceId, position }: PrefillSlice, { promptLogprobs }: StepOutcome): void {
    const event = this.#sequences.get(sequenceId)?.scored(position, promptLogprobs) ?? null;
    if (event) this.#send({ type: "event", sequenceId, event });
  }

  #sendPooled({ sequenceId, position, ids }: PrefillSlice, { hidden }: StepOutcome): void {
    const sequence = this.#sequences.get(sequenceId);
    const rowCount = hidden.length / this.#runtime.finalNorm.weights.length;
    // With fewer rows than the slice has, they are its last ones.
    const last = Math.min(position + ids.length, sequence?.request.promptIds.length ?? 0);
    const event = sequence?.pooled(last - rowCount, hidden) ?? null;
    if (event) this.#send({ type: "event", sequenceId, event });
  }

  /** Hands the blocks that a step saved to the disk tier. */
  #writeBehind({ saves, swaps }: StepPlan): void {
    const { runner } = this.#runtime.driver;
    if (this.#tiers.length === 0) return;
    for (const op of [...saves, ...swaps]) {
      const { key } = op;
      if (isOwnKey(key)) continue;
      const words = runner.host.blocks.get(key);
      if (!words) continue;
      for (const tier of this.#tiers) tier.write({ key, ...sizesOf(op), words });
    }
  }

  /** @param logprobs Of the tokens of the step just committed, by sequence, where asked for. */
  #sendEvents(logprobs: ReadonlyMap<number, TokenLogprobs> = new Map()): void {
    for (const event of this.#runtime.driver.scheduler.drainEvents()) {
      this.#sendEvent(event, logprobs.get(event.sequenceId));
    }
    for (const { mask } of this.#sequences.values()) mask?.send();
  }

  #sendEvent(event: SchedulerEvent, logprobs: TokenLogprobs | undefined): void {
    const { sequenceId } = event;
    const sequence = this.#sequences.get(sequenceId);
    if (sequence === undefined) return;
    switch (event.type) {
      case "prefill": {
        const { sequenceId: _, ...progress } = event;
        const { queueMs } = sequence;
        return this.#send({ type: "event", sequenceId, event: { ...progress, queueMs } });
      }
      case "token": {
        sequence.countToken();
        sequence.mask?.accept(event.id);
        this.#counts.countToken();
        const token = { type: "token" as const, id: event.id, ...(logprobs ? { logprobs } : {}) };
        return this.#send({ type: "event", sequenceId, event: token });
      }
      case "finish":
        this.#sequences.delete(sequenceId);
        return this.#send({
          type: "event",
          sequenceId,
          event: sequence.finish(
            event,
            event.kept ? keptPrompt(event.kept, this.#runtime.driver.runner.cache.shape) : null,
          ),
        });
      case "failed":
        this.#sequences.delete(sequenceId);
        return this.#sendFailure(sequenceId, event.code, event.message);
    }
  }

  #sendFailure(sequenceId: number, code: EngineErrorCode, message: string): void {
    this.#send({ type: "sequence_failed", sequenceId, failure: { code, message, param: null } });
  }

  async #sleep(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
  }
}
