/**
 * One request as its operator sees it: who asked for what, how long each part took, how it ended.
 * Sent once, when the request is over, to all listeners.
 *
 * @module
 */

import type { Context, MiddlewareHandler } from "hono";
import { EngineError, invariant } from "../src/core/errors.ts";
import type { FinishReason, KeptPrompt } from "../src/engine/types.ts";
import { toErrorAnswer } from "./openai/errors.ts";
import type { GenerationObserver, GenerationTimings } from "./openai/generation/observer.ts";
import { idOf } from "./request_id.ts";

/**
 * A request that is over. Counts are of what was done, also if it failed. Times in milliseconds;
 * those of parts are of its longest generation.
 */
export interface RequestFacts {
  /** Also in the answer's header `X-Request-Id`. */
  id: string;
  /** As `/v1/chat/completions`. */
  endpoint: string;
  /** The model it was answered with; null if it was refused before one was chosen. */
  modelId: string | null;
  /** HTTP status of the answer's head: a stream that fails later has 200. */
  status: number;
  /** OpenAI's or the engine's word for the failure; null if it went well. */
  errorCode: string | null;
  /** Unix time at which it arrived. */
  startedMs: number;
  /** From its arrival to the beginning of its generations: reading and checking it. */
  acceptedMs: number;
  /** Whether any generation began. */
  hasGenerated: boolean;
  promptTokenCount: number;
  cachedTokenCount: number;
  completionTokenCount: number;
  /** What stayed of its first prompt once it was read; null if all did. */
  kept: KeptPrompt | null;
  queueMs: number;
  prefillMs: number;
  decodeMs: number;
  totalMs: number;
  /** Of its generations, without repetition; empty if none ended well. */
  finishReasons: readonly FinishReason[];
  /** Headers, for what a caller hands on to those it calls. */
  headers: Headers;
}

/** Receives requests that are over. */
export type RequestListener = (facts: RequestFacts) => void;

const VARIABLE = "watch";

/** Who hears of requests. */
export interface WatchOptions {
  /** Hears of the generations of a model. */
  observerOf: (modelId: string) => GenerationObserver;
  listeners: readonly RequestListener[];
  /** The only model there is; null if a request has to name one. */
  modelId: string | null;
}

/** Watches one request; the observer of its generations. */
export class RequestWatch implements GenerationObserver {
  readonly #id: string;
  readonly #observerOf: (modelId: string) => GenerationObserver;
  readonly #listeners: readonly RequestListener[];
  readonly #request: Pick<RequestFacts, "endpoint" | "headers">;
  readonly #startedMs = Date.now();
  readonly #startMs = performance.now();
  readonly #ended: GenerationTimings[] = [];
  readonly #reasons = new Set<FinishReason>();
  #acceptedMs: number | null = null;
  #status: number | null = null;
  #isOver = false;
  #errorCode: string | null = null;
  #isReported = false;
  #modelId: string | null;
  #observer: GenerationObserver | null = null;
  readonly #onOver: (() => void)[] = [];

  constructor(
    { id, ...request }: Pick<RequestFacts, "id" | "endpoint" | "headers">,
    { observerOf, listeners, modelId }: WatchOptions,
  ) {
    this.#id = id;
    this.#request = request;
    this.#observerOf = observerOf;
    this.#listeners = listeners;
    this.#modelId = modelId;
  }

  /** Milliseconds since the request's head arrived. */
  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** The model that the request means is known. */
  choose(modelId: string): void {
    this.#modelId = modelId;
    this.#observer = this.#observerOf(modelId);
  }

  /** Calls `end` when the request is over, at once if it is. */
  whenOver(end: () => void): void {
    if (this.#isReported) end();
    else this.#onOver.push(end);
  }

  /** Notes the failure of an answer that has begun. */
  note(errorCode: string | null): void {
    this.#errorCode ??= errorCode;
  }

  /** The request was understood, and is answered from now on until {@link end}. */
  begin(): void {
    this.#acceptedMs = this.elapsedMs;
  }

  token(sinceMs: number, isFirst: boolean): void {
    this.#observer?.token(sinceMs, isFirst);
  }

  finished(reason: FinishReason, elapsedMs: number, timings: GenerationTimings): void {
    this.#observer?.finished(reason, elapsedMs, timings);
    this.#reasons.add(reason);
    this.#ended.push(timings);
  }

  failed(error: unknown, timings: GenerationTimings): void {
    this.#observer?.failed(error, timings);
    this.#ended.push(timings);
    this.#errorCode ??= error instanceof EngineError ? error.code : "internal_error";
  }

  /**
   * The answer's head is known; without {@link begin} that is all there is.
   *
   * @param errorCode Of the refusal; null if it is none.
   */
  answered(status: number, errorCode: string | null): void {
    this.#status = status;
    this.#errorCode ??= errorCode;
    if (this.#acceptedMs === null || status >= 400) this.#isOver = true;
    this.#report();
  }

  /** The generations are over; the head of an answer that is no stream comes after them. */
  end(): void {
    this.#isOver = true;
    this.#report();
  }

  #report(): void {
    if (this.#isReported || !this.#isOver || this.#status === null) return;
    this.#isReported = true;
    const facts = this.#facts(this.#status);
    for (const listener of this.#listeners) listener(facts);
    for (const end of this.#onOver) end();
  }

  #facts(status: number): RequestFacts {
    const totalMs = this.elapsedMs;
    const sum = (of: (each: GenerationTimings) => number) =>
      this.#ended.reduce((total, each) => total + of(each), 0);
    const most = (of: (each: GenerationTimings) => number) => Math.max(0, ...this.#ended.map(of));
    return {
      id: this.#id,
      ...this.#request,
      modelId: this.#modelId,
      status,
      errorCode: this.#errorCode,
      startedMs: this.#startedMs,
      acceptedMs: this.#acceptedMs ?? totalMs,
      hasGenerated: this.#ended.length > 0,
      promptTokenCount: sum((each) => each.promptTokenCount),
      cachedTokenCount: sum((each) => each.cachedTokenCount),
      kept: this.#ended.find(({ kept }) => kept)?.kept ?? null,
      completionTokenCount: sum((each) => each.completionTokenCount),
      queueMs: most((each) => each.queueMs),
      prefillMs: most((each) => each.prefillMs),
      decodeMs: most((each) => each.decodeMs),
      totalMs,
      finishReasons: [...this.#reasons],
    };
  }
}

/** Watches each request that comes through. */
export function watchRequests(options: WatchOptions): MiddlewareHandler {
  return async (context, next) => {
    const { method, path, raw } = context.req;
    if (method !== "POST") return await next();
    const request = { id: idOf(context), endpoint: path, headers: raw.headers };
    const watch = new RequestWatch(request, options);
    context.set(VARIABLE, watch);
    await next();
    const { error } = context;
    watch.answered(context.res.status, error ? toErrorAnswer(error).body.error.code : null);
  };
}

/** The watch of the request that is being answered. */
export function watchOf(context: Context): RequestWatch {
  const watch: unknown = context.get(VARIABLE);
  invariant(watch instanceof RequestWatch, "requests that generate are watched");
  return watch;
}
