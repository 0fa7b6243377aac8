/**
 * An engine with the real scheduler and no device: answers come by script, what is in the cache and
 * what is read is what it would be on a GPU. Prompts of agents at their real length take no time.
 */

import { EngineError } from "../../src/core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../../src/engine/types.ts";
import { EventQueue } from "../../src/engine/event_queue.ts";
import type { EngineInfo } from "../../src/engine/types.ts";
import { Scheduler, type SchedulerOptions } from "../../src/scheduler/scheduler.ts";
import { FakeEngine } from "./fake_engine.ts";

/** Words of the record and of the raw tile of a block. */
const RECORD_WORDS = 64;
const TILE_WORDS = 6 * RECORD_WORDS;

const STEPS_PER_TIMER = 16;

interface Running {
  request: GenerateRequest;
  answer: readonly number[];
  queue: EventQueue<GenerateEvent>;
  arrivalStep: number;
}

/** What became of one request, in the order of their ends. */
export interface Outcome {
  promptTokenCount: number;
  cachedTokenCount: number;
  /** Steps from its arrival to its first token. */
  firstTokenSteps: number;
}

/** See the module. */
export class ScheduledEngine extends FakeEngine {
  readonly outcomes: Outcome[] = [];
  readonly scheduler: Scheduler;
  /** Tokens of slices: of requests, and of answers that were read again. */
  readonly readCounts = { asked: 0, reread: 0 };
  stepCount = 0;
  readonly #answerOf: (request: GenerateRequest, index: number) => readonly number[];
  readonly #running = new Map<number, Running>();
  readonly #eosIds: readonly number[];
  #nextId = 1;
  #isStepping = false;

  /** @param blockCount Sealed blocks that fit the device. */
  constructor(
    answerOf: (request: GenerateRequest, index: number) => readonly number[],
    { info, eosIds, blockCount, ...options }: Partial<SchedulerOptions> & {
      info: Partial<EngineInfo> & { contextLength: number };
      eosIds: readonly number[];
      blockCount: number;
    },
  ) {
    super(() => [], info);
    this.#answerOf = answerOf;
    this.#eosIds = eosIds;
    this.scheduler = new Scheduler({
      sequenceCountMax: 4,
      waitingCountMax: 64,
      contextLength: info.contextLength,
      layerCount: 1,
      arenas: [{ storeCount: 1, wordCount: blockCount * RECORD_WORDS }],
      recordWordsMin: RECORD_WORDS,
      recordWordsMax: RECORD_WORDS,
      prefix: { root: "r", tileWords: [TILE_WORDS] },
      ...options,
    });
  }

  override async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent> {
    const sequenceId = this.#nextId++;
    const answer = this.#answerOf(request, this.requests.length);
    this.requests.push(request);
    const { promptIds, maxTokens, cacheSalt, messageEnds, isContinued, priority } = request;
    this.scheduler.admit({
      sequenceId,
      promptIds,
      maxTokens,
      eosIds: this.#eosIds,
      ignoreEos: false,
      ...(cacheSalt === undefined ? {} : { cacheSalt }),
      ...(messageEnds === undefined ? {} : { messageEnds }),
      ...(priority === undefined ? {} : { priority }),
      isContinued: isContinued ?? false,
    });
    const queue = new EventQueue<GenerateEvent>();
    this.#running.set(sequenceId, { request, answer, queue, arrivalStep: this.stepCount });
    if (!this.#isStepping) void this.#run();
    try {
      for await (const event of queue) {
        yield event;
        if (event.type === "finish") return;
      }
    } finally {
      if (this.#running.delete(sequenceId)) this.scheduler.abort(sequenceId);
    }
  }

  /** Steps until nothing is left, with time for callers between two. */
  async #run(): Promise<void> {
    this.#isStepping = true;
    while (this.#step()) {
      // A timer takes a millisecond or more.
      const isShort = this.stepCount % STEPS_PER_TIMER !== 0;
      await (isShort ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, 0)));
    }
    this.#isStepping = false;
  }

  /** Waits until nothing runs, answers that are read again included. */
  async idle(): Promise<void> {
    while (this.#isStepping) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #step(): boolean {
    const plan = this.scheduler.plan();
    if (plan === null) return false;
    this.stepCount++;
    const rows = [
      ...plan.decodes.map(({ sequenceId, position }) => [sequenceId, position] as const),
      ...(plan.slice?.isLast
        ? [[plan.slice.sequenceId, plan.slice.position + plan.slice.ids.length - 1] as const]
        : []),
    ];
    const ids = new Map(rows.map(([sequenceId, position]) => [
      sequenceId,
      this.#next(sequenceId, position),
    ]));
    if (plan.slice?.isComplete) {
      const kind = plan.slice.sequenceId > 0 ? "asked" : "reread";
      this.readCounts[kind] += plan.slice.ids.length;
    }
    const recordWords = plan.measures.map(() => [RECORD_WORDS]);
    this.scheduler.commit(plan, { ids, recordWords, refused: [] });
    for (const event of this.scheduler.drainEvents()) {
      const running = this.#running.get(event.sequenceId);
      if (!running) continue;
      const { queue, arrivalStep } = running;
      if (event.type === "token") queue.push({ type: "token", id: event.id });
      else if (event.type === "prefill") {
        const { sequenceId: _, ...progress } = event;
        if (event.processedTokenCount === event.promptTokenCount) {
          const { promptTokenCount, cachedTokenCount } = event;
          const firstTokenSteps = this.stepCount - arrivalStep;
          this.outcomes.push({ promptTokenCount, cachedTokenCount, firstTokenSteps });
        }
        queue.push({ ...progress, queueMs: 0 });
      } else if (event.type === "failed") queue.fail(new EngineError(event.code, event.message));
      else {
        const { sequenceId: _, kept: __, ...finish } = event;
        this.#running.delete(event.sequenceId);
        queue.push({ ...finish, timings: { queueMs: 0, prefillMs: 0, decodeMs: 0 } });
      }
    }
    return true;
  }

  /** The token that a row at a position samples. */
  #next(sequenceId: number, position: number): number {
    const running = this.#running.get(sequenceId);
    if (!running) return this.#eosIds[0];
    const { request: { promptIds }, answer } = running;
    return answer[position + 1 - promptIds.length] ?? this.#eosIds[0];
  }
}
