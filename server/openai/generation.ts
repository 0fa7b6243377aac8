/**
 * One generation as text: token ids in, pieces of text out, cut at stop strings.
 *
 * @module
 */

import { EngineError, invariant } from "../../src/core/errors.ts";
import type { FinishReason, GenerateEvent, SamplingOptions } from "../../src/engine/types.ts";
import { StopMatcher } from "../../src/tokenizer/stop_strings.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";

/** What is to be generated, all defaults filled in. */
export interface GenerationSpec {
  promptIds: readonly number[];
  /** 0 generates nothing. */
  maxTokens: number;
  sampling: SamplingOptions;
  stop: readonly string[];
  ignoreEos: boolean;
}

/** Counts and milliseconds of one generation. */
export interface GenerationTimings {
  promptTokenCount: number;
  completionTokenCount: number;
  /** Prompt tokens that were in the cache. */
  cachedTokenCount: number;
  queueMs: number;
  prefillMs: number;
  decodeMs: number;
}

/** What {@link generateText} yields; `finish` is last. */
export type GenerationPiece =
  | { type: "progress"; processedTokenCount: number; promptTokenCount: number; elapsedMs: number }
  | { type: "text"; text: string; completionTokenCount: number }
  | { type: "finish"; reason: FinishReason; timings: GenerationTimings };

/** Hears of the life of each generation; metrics are made of it. */
export interface GenerationObserver {
  /** A token came, `sinceMs` after the one before it or, if `isFirst`, after the request. */
  token(sinceMs: number, isFirst: boolean): void;
  /** The generation ended well. */
  finished(reason: FinishReason, elapsedMs: number, timings: GenerationTimings): void;
  /** The generation ended by an error; `aborted` if the client went. */
  failed(error: unknown): void;
}

/** What a generation needs beside its spec. */
export interface GenerationContext {
  model: ServedModel;
  /** Ends the generation; its reason is what is thrown then. */
  signal: AbortSignal;
  observer: GenerationObserver;
}

/** The clock and counts of one generation. */
class Progress {
  readonly #startMs = performance.now();
  #lastTokenMs = this.#startMs;
  #firstTokenMs: number | null = null;
  completionTokenCount = 0;
  cachedTokenCount = 0;

  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  countToken(observer: GenerationObserver): void {
    const nowMs = performance.now();
    observer.token(nowMs - this.#lastTokenMs, this.#firstTokenMs === null);
    this.#firstTokenMs ??= nowMs;
    this.#lastTokenMs = nowMs;
    this.completionTokenCount++;
  }

  /** Timings by this side's clock, for a generation cut short by a stop string. */
  timings(promptTokenCount: number): GenerationTimings {
    const firstTokenMs = this.#firstTokenMs ?? performance.now();
    return {
      promptTokenCount,
      completionTokenCount: this.completionTokenCount,
      cachedTokenCount: this.cachedTokenCount,
      queueMs: 0,
      prefillMs: firstTokenMs - this.#startMs,
      decodeMs: performance.now() - firstTokenMs,
    };
  }
}

/** Token ids to text, without control tokens, cut at the first stop string. */
class TextAssembler {
  readonly #detokenizer: StreamDetokenizer;
  readonly #matcher: StopMatcher;

  constructor(tokenizer: Tokenizer, stop: readonly string[]) {
    this.#detokenizer = new StreamDetokenizer(tokenizer);
    this.#matcher = new StopMatcher(stop);
  }

  push(id: number): { text: string; stopped: boolean } {
    return this.#matcher.push(this.#detokenizer.push(id));
  }

  /** What was held back, when no more tokens come. */
  flush(): { text: string; stopped: boolean } {
    const { text, stopped } = this.#matcher.push(this.#detokenizer.flush());
    return { text: stopped ? text : text + this.#matcher.flush(), stopped };
  }
}

type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

function toTimings(event: FinishEvent): GenerationTimings {
  const { promptTokenCount, completionTokenCount, cachedTokenCount, timings } = event;
  return { promptTokenCount, completionTokenCount, cachedTokenCount, ...timings };
}

async function* run(
  spec: GenerationSpec,
  { model, signal, observer }: GenerationContext,
): AsyncGenerator<GenerationPiece> {
  const { promptIds, maxTokens, sampling, ignoreEos } = spec;
  const progress = new Progress();
  if (maxTokens === 0) {
    yield { type: "finish", reason: "length", timings: progress.timings(promptIds.length) };
    return;
  }
  const assembler = new TextAssembler(model.tokenizer, spec.stop);
  const request = { promptIds, maxTokens, sampling, ignoreEos, signal };
  for await (const event of model.engine.generate(request)) {
    signal.throwIfAborted();
    if (event.type === "prefill") {
      const { processedTokenCount, promptTokenCount } = event;
      progress.cachedTokenCount = event.cachedTokenCount;
      const { elapsedMs } = progress;
      yield { type: "progress", processedTokenCount, promptTokenCount, elapsedMs };
    } else if (event.type === "token") {
      progress.countToken(observer);
      const { text, stopped } = assembler.push(event.id);
      const { completionTokenCount } = progress;
      if (text !== "") yield { type: "text", text, completionTokenCount };
      if (stopped) {
        yield { type: "finish", reason: "stop", timings: progress.timings(promptIds.length) };
        return;
      }
    } else if (event.type === "finish") {
      const { text, stopped } = assembler.flush();
      const { completionTokenCount } = event;
      if (text !== "") yield { type: "text", text, completionTokenCount };
      yield { type: "finish", reason: stopped ? "stop" : event.reason, timings: toTimings(event) };
      return;
    }
  }
  signal.throwIfAborted();
  invariant(false, "a generation that is not aborted ends with a finish event");
}

/**
 * Generates text until the end token, a stop string, or `maxTokens`.
 *
 * Leaving the iteration early, by `return()` or an error, ends the engine's sequence too.
 *
 * @throws {EngineError} What the engine throws, and the reason of `context.signal` once aborted.
 */
export async function* generateText(
  spec: GenerationSpec,
  context: GenerationContext,
): AsyncGenerator<GenerationPiece> {
  const own = new AbortController();
  const forward = () => own.abort(context.signal.reason);
  context.signal.throwIfAborted();
  context.signal.addEventListener("abort", forward, { once: true });
  const startMs = performance.now();
  let isOver = false;
  try {
    for await (const piece of run(spec, { ...context, signal: own.signal })) {
      if (piece.type === "finish") {
        isOver = true;
        context.observer.finished(piece.reason, performance.now() - startMs, piece.timings);
      }
      yield piece;
    }
  } catch (error) {
    isOver = true;
    // However the engine reports an abort, the cause is the reason it was aborted for.
    const cause = context.signal.aborted ? context.signal.reason : error;
    context.observer.failed(cause);
    throw cause;
  } finally {
    const gone = new EngineError("aborted", "Cannot go on: the answer is not read any more");
    if (!isOver) context.observer.failed(gone);
    context.signal.removeEventListener("abort", forward);
    own.abort(gone);
  }
}
