/**
 * The loop that runs the engine: plan, encode, submit, read, commit, post. The commands of the next
 * step are encoded while the GPU runs the current one, so the read-back hides their cost.
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
import { isRereadId } from "../scheduler/rereads.ts";
import type { SliceOptions } from "../model/forward_graph.ts";
import type { Runtime } from "../runtime/load.ts";
import type { FromWorker, GenerateMessage } from "./messages.ts";
import { bringBlocks } from "./bring_blocks.ts";
import { PrefillSpeed } from "./prefill_speed.ts";
import { keptPrompt } from "../runtime/kept_prompt.ts";
import { canSpeculate, RunningSequence } from "./running_sequence.ts";
import { Slots } from "./slots.ts";
import type { PreparedStep } from "../runtime/step_driver.ts";
import type { StepOutcome } from "../runtime/step_runner.ts";
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
  #stepCount = 0;
  #promptTokenCount = 0;
  #rereadTokenCount = 0;
  #generatedTokenCount = 0;
  #sealingSeconds = 0;
  #blockCounts = { sealedBlockCount: 0, savedBlockCount: 0, loadedBlockCount: 0 };

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
    const isAlone = this.#tiers.length === 0;
    const beyond = isAlone ? null : scheduler.beyond(this.#sequenceOf(request));
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

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    let prepared: PreparedStep | null = null;
    try {
      while (!this.#isStopping) {
        prepared ??= this.#prepare();
        this.#sendEvents();
        if (prepared === null && this.#finishByMs !== null) break;
        if (prepared === null) {
          await this.#sleep();
          continue;
        }
        prepared = await this.#runStep(prepared);
        if (performance.now() > (this.#finishByMs ?? Infinity)) break;
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

  /** Ends the loop after the step it is in, or waits for the failure that ended it. */
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
      stepCount: this.#stepCount,
      preemptionCount: stats.preemptionCount,
      promptTokenCount: this.#promptTokenCount,
      rereadTokenCount: this.#rereadTokenCount,
      prefixQueryCount: stats.prefixQueryCount,
      prefixHitCount: stats.prefixHitCount,
      draftTokenCount: stats.draftTokenCount,
      acceptedTokenCount: stats.acceptedTokenCount,
      generatedTokenCount: this.#generatedTokenCount,
      ...driver.runner.readCounts,
      ...driver.runner.valueCounts,
      sealingSeconds: this.#sealingSeconds,
      ...this.#blockCounts,
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

  /** Runs a prepared step; returns the next one if it could be encoded while this one ran. */
  async #runStep(prepared: PreparedStep): Promise<PreparedStep | null> {
    const { plan } = prepared;
    const { encodesAhead } = this.#runtime.driver.runner;
    if (encodesAhead) this.#writeMasks(plan);
    let next: PreparedStep | null = null;
    const startMs = performance.now();
    const result = await this.#runtime.driver.finish(prepared, () => {
      if (plan.measures.length === 0 && encodesAhead) next = this.#prepare();
    });
    if (plan.slice) {
      const { ids, layers } = plan.slice;
      const share = (layers.end - layers.first) / this.#runtime.info.layerReaches.length;
      this.#prefillSpeed.note(ids.length * share, performance.now() - startMs);
    }
    this.#writeBehind(plan);
    this.#stepCount++;
    this.#sealingSeconds += result.sealingSeconds;
    this.#blockCounts.sealedBlockCount += plan.packs.length;
    this.#blockCounts.savedBlockCount += plan.saves.length + plan.swaps.length;
    this.#blockCounts.loadedBlockCount += plan.loads.length;
    if (plan.slice?.isComplete) {
      const { sequenceId, ids } = plan.slice;
      if (isRereadId(sequenceId)) this.#rereadTokenCount += ids.length;
      else this.#promptTokenCount += ids.length;
    }
    if (plan.slice && result.promptLogprobs.length > 0) this.#sendScores(plan.slice, result);
    if (plan.slice && result.hidden.length > 0) this.#sendPooled(plan.slice, result);
    this.#sendEvents(logprobsBySequence(plan, result));
    return next;
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
        this.#generatedTokenCount++;
        const token = { type: "token" as const, id: event.id, ...(logprobs ? { logprobs } : {}) };
        return this.#send({ type: "event", sequenceId, event: token });
      }
      case "finish":
        this.#sequences.delete(sequenceId);
        return this.#send({
          type: "event",
          sequenceId,
          event: sequence.finish(event.reason, {
            cachedTokenCount: event.cachedTokenCount,
            kept: event.kept
              ? keptPrompt(event.kept, this.#runtime.driver.runner.cache.shape)
              : null,
          }),
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

function logprobsBySequence(
  { decodes, slice }: StepPlan,
  { logprobs }: StepOutcome,
): ReadonlyMap<number, TokenLogprobs> {
  const rows = slice ? [...decodes, slice] : decodes;
  return new Map(rows.flatMap(({ sequenceId, slot }) => {
    const report = logprobs.get(slot);
    return report ? [[sequenceId, report] as const] : [];
  }));
}

const channel = new MessageChannel();
const tasks: (() => void)[] = [];
channel.port1.onmessage = () => tasks.shift()?.();

/** Lets messages of the main thread in between two steps, without the delay of a timer. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    tasks.push(resolve);
    channel.port2.postMessage(null);
  });
}
