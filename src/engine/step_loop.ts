/**
 * The loop that runs the engine: plan, record, submit, read, commit, tell. The commands of the next
 * step are recorded while the GPU runs the current one, so the read-back hides their cost.
 *
 * @module
 */

import { EngineError, type EngineErrorCode } from "../core/errors.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { SchedulerEvent } from "../scheduler/scheduler.ts";
import type { PrefillSlice, StepPlan } from "../scheduler/step_plan.ts";
import type { Runtime } from "./load.ts";
import type { FromWorker, GenerateMessage } from "./messages.ts";
import { SequenceClock } from "./sequence_clock.ts";
import type { RecordedStep, StepOutcome } from "./step_runner.ts";
import type { EngineStats, TokenLogprobs } from "./types.ts";

/** A planned step whose commands are recorded. */
interface PreparedStep {
  plan: StepPlan;
  recorded: RecordedStep;
}

/** Drives one runtime until stopped. */
export class StepLoop {
  #runtime: Runtime;
  #send: (message: FromWorker) => void;
  #clocks = new Map<number, SequenceClock>();
  #wake: (() => void) | null = null;
  #isStopping = false;
  #stopped = Promise.withResolvers<void>();
  #stepCount = 0;
  #promptTokenCount = 0;
  #generatedTokenCount = 0;

  constructor(runtime: Runtime, send: (message: FromWorker) => void) {
    this.#runtime = runtime;
    this.#send = send;
  }

  /** Admits a request; a refusal is sent back as the sequence's failure. */
  generate(request: GenerateMessage): void {
    const { sequenceId, promptIds, maxTokens, ignoreEos, priority, cacheSalt, skipsCache } =
      request;
    const { scheduler, eosIds } = this.#runtime;
    try {
      const limits = { maxTokens, eosIds, ignoreEos };
      scheduler.admit({ sequenceId, promptIds, ...limits, priority, cacheSalt, skipsCache });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#sendFailure(sequenceId, error.code, error.message);
      return;
    }
    this.#clocks.set(sequenceId, new SequenceClock(request));
    this.#wake?.();
  }

  /** Ends a sequence; nothing more is sent for it. */
  abort(sequenceId: number): void {
    if (!this.#clocks.delete(sequenceId)) return;
    this.#runtime.scheduler.abort(sequenceId);
    this.#wake?.();
  }

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    let prepared: PreparedStep | null = null;
    try {
      while (!this.#isStopping) {
        prepared ??= this.#prepare();
        this.#sendEvents();
        if (prepared === null) {
          await this.#sleep();
          continue;
        }
        prepared = await this.#runStep(prepared);
        await nextTask();
      }
    } finally {
      this.#stopped.resolve();
    }
  }

  /** Ends the loop after the step it is in, or waits for the failure that ended it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.#stopped.promise;
  }

  /** A snapshot of counts and bytes. */
  stats(): EngineStats {
    const { scheduler, gpu, cacheBytes } = this.#runtime;
    const stats = scheduler.stats();
    return {
      runningSequenceCount: stats.runningCount,
      waitingSequenceCount: stats.waitingCount,
      cacheUsage: stats.cacheUsage,
      cacheBytes: cacheBytes(),
      retainedBytes: stats.retainedWordCount * WORD_SIZE_BYTES,
      sharedBlockCount: stats.sharedBlockCount,
      deviceBytes: gpu.allocatedBytes,
      stepCount: this.#stepCount,
      promptTokenCount: this.#promptTokenCount,
      prefixQueryCount: stats.prefixQueryCount,
      prefixHitCount: stats.prefixHitCount,
      generatedTokenCount: this.#generatedTokenCount,
    };
  }

  #prepare(): PreparedStep | null {
    const { scheduler, runner } = this.#runtime;
    const plan = scheduler.plan();
    if (plan === null) return null;
    for (const { sequenceId, slot } of plan.starts) {
      const clock = this.#clocks.get(sequenceId);
      clock?.start();
      if (clock) runner.setSampling(slot, clock.request.sampling, clock.extras);
    }
    const scored = plan.slice && this.#clocks.get(plan.slice.sequenceId)?.scoredRows(plan.slice);
    return { plan, recorded: runner.record(plan, { scored: scored ?? null }) };
  }

  /** Runs a prepared step; returns the next one if it could be recorded meanwhile. */
  async #runStep({ plan, recorded }: PreparedStep): Promise<PreparedStep | null> {
    const { scheduler, runner } = this.#runtime;
    runner.submit(recorded);
    const next = plan.measures.length === 0 ? this.#prepare() : null;
    const result = await runner.read(plan, recorded);
    scheduler.commit(plan, result);
    this.#stepCount++;
    if (plan.slice?.isComplete) this.#promptTokenCount += plan.slice.ids.length;
    if (plan.slice && result.promptLogprobs.length > 0) this.#sendScores(plan.slice, result);
    this.#sendEvents(logprobsBySequence(plan, result));
    return next;
  }

  #sendScores({ sequenceId, position }: PrefillSlice, { promptLogprobs }: StepOutcome): void {
    const event = this.#clocks.get(sequenceId)?.scored(position, promptLogprobs) ?? null;
    if (event) this.#send({ type: "event", sequenceId, event });
  }

  /** @param logprobs Of the tokens of the step just committed, by sequence, where asked for. */
  #sendEvents(logprobs: ReadonlyMap<number, TokenLogprobs> = new Map()): void {
    for (const event of this.#runtime.scheduler.drainEvents()) {
      this.#sendEvent(event, logprobs.get(event.sequenceId));
    }
  }

  #sendEvent(event: SchedulerEvent, logprobs: TokenLogprobs | undefined): void {
    const { sequenceId } = event;
    const clock = this.#clocks.get(sequenceId);
    if (clock === undefined) return;
    switch (event.type) {
      case "prefill": {
        const { sequenceId: _, ...progress } = event;
        return this.#send({ type: "event", sequenceId, event: progress });
      }
      case "token": {
        clock.countToken();
        this.#generatedTokenCount++;
        const token = { type: "token" as const, id: event.id, ...(logprobs ? { logprobs } : {}) };
        return this.#send({ type: "event", sequenceId, event: token });
      }
      case "finish":
        this.#clocks.delete(sequenceId);
        return this.#send({
          type: "event",
          sequenceId,
          event: clock.finish(event.reason, event.cachedTokenCount),
        });
      case "failed":
        this.#clocks.delete(sequenceId);
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
