/**
 * One generation as text: token ids in, pieces of text and calls out, cut at stop strings.
 *
 * @module
 */

import { EngineError, invariant } from "../../src/core/errors.ts";
import type {
  FinishReason,
  GenerateEvent,
  GenerateRequest,
  GrammarSpec,
  LogitAdjustments,
  SamplingOptions,
  TokenLogprobs,
} from "../../src/engine/types.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import {
  type AnswerPiece,
  type Assembled,
  TextAssembler,
  type TextOptions,
} from "./text_assembler.ts";
import { toldPrompt, type ToldToken } from "./token_lineup.ts";

/** What is to be generated, all defaults filled in. */
export interface GenerationSpec extends TextOptions {
  promptIds: readonly number[];
  /** 0 generates nothing. */
  maxTokens: number;
  sampling: SamplingOptions;
  ignoreEos: boolean;
  adjustments: Partial<LogitAdjustments>;
  /** Alternatives to report with each token; null: no log-probabilities at all. */
  logprobs: number | null;
  /** Text that comes before what is generated, with tokens like it; null for none. */
  echo: string | null;
  /** What the text must be; null for anything. */
  grammar: GrammarSpec | null;
  /** The field it came from. */
  grammarParam: string;
  priority: number;
  cacheSalt: string;
  /** Whether the whole prompt is prefilled, even if it is in the cache. */
  skipsCache: boolean;
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

/** A call begins, or more of its arguments comes. */
export type CallPiece = Exclude<AnswerPiece, { type: "content" }>;

/** What {@link generateText} yields; `finish` is last. */
export type GenerationPiece =
  | {
    type: "progress";
    /** Cached ones included. */
    processedTokenCount: number;
    promptTokenCount: number;
    cachedTokenCount: number;
    elapsedMs: number;
  }
  | {
    type: "text";
    text: string;
    /** The tokens it ends, if they are asked for. */
    tokens: readonly ToldToken[];
    completionTokenCount: number;
  }
  | (CallPiece & { completionTokenCount: number })
  | { type: "finish"; reason: FinishReason; timings: GenerationTimings };

/** Hears of the life of each generation; metrics are made of it. */
export interface GenerationObserver {
  /** A token came, `sinceMs` after the one before it or, if `isFirst`, after the request. */
  token(sinceMs: number, isFirst: boolean): void;
  /** The generation ended well. */
  finished(reason: FinishReason, elapsedMs: number, timings: GenerationTimings): void;
  /** The generation ended by an error, `aborted` if the client went, after `timings`. */
  failed(error: unknown, timings: GenerationTimings): void;
}

/** What a generation needs beside its spec. */
export interface GenerationContext {
  model: ServedModel;
  /** Ends the generation; its reason is what is thrown then. */
  signal: AbortSignal;
  observer: GenerationObserver;
}

/** The clock and counts of one generation, by this side: for one that does not reach its end. */
class Progress {
  readonly #promptTokenCount: number;
  readonly #startMs = performance.now();
  #queueMs: number | null = null;
  #cachedTokenCount = 0;
  #lastTokenMs = this.#startMs;
  #firstTokenMs: number | null = null;
  completionTokenCount = 0;

  constructor(promptTokenCount: number) {
    this.#promptTokenCount = promptTokenCount;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Notes that prefill goes on. */
  read(event: Extract<GenerateEvent, { type: "prefill" }>): void {
    this.#cachedTokenCount = event.cachedTokenCount;
    this.#queueMs = event.queueMs;
  }

  countToken(observer: GenerationObserver): void {
    const nowMs = performance.now();
    observer.token(nowMs - this.#lastTokenMs, this.#firstTokenMs === null);
    this.#firstTokenMs ??= nowMs;
    this.#lastTokenMs = nowMs;
    this.completionTokenCount++;
  }

  /** Timings up to now; without any progress all of the time was spent waiting. */
  timings(): GenerationTimings {
    const nowMs = performance.now();
    const firstTokenMs = this.#firstTokenMs ?? nowMs;
    const queueMs = Math.min(this.#queueMs ?? Infinity, firstTokenMs - this.#startMs);
    return {
      promptTokenCount: this.#promptTokenCount,
      completionTokenCount: this.completionTokenCount,
      cachedTokenCount: this.#cachedTokenCount,
      queueMs,
      prefillMs: firstTokenMs - this.#startMs - queueMs,
      decodeMs: nowMs - firstTokenMs,
    };
  }
}

/** The echoed prompt and its log-probabilities, once all are known. */
class Echo {
  readonly #spec: GenerationSpec;
  readonly #tokenizer: Tokenizer;
  readonly #logprobs: TokenLogprobs[] = [];
  #isGiven = false;

  constructor(spec: GenerationSpec, tokenizer: Tokenizer) {
    this.#spec = spec;
    this.#tokenizer = tokenizer;
  }

  /** Whether the prompt's own log-probabilities are reported. */
  get isTold(): boolean {
    return this.#spec.echo !== null && this.#spec.logprobs !== null;
  }

  add(entries: readonly TokenLogprobs[]): void {
    for (const entry of entries) this.#logprobs.push(entry);
  }

  *pieces(): Generator<GenerationPiece> {
    const { echo, promptIds } = this.#spec;
    if (echo === null || this.#isGiven) return;
    this.#isGiven = true;
    const tokens = this.isTold ? toldPrompt(this.#tokenizer, promptIds, this.#logprobs) : [];
    const text = this.isTold ? tokens.map((token) => token.text).join("") : echo;
    yield { type: "text", text, tokens, completionTokenCount: 0 };
  }
}

function toRequest(spec: GenerationSpec, signal: AbortSignal, echo: Echo): GenerateRequest {
  const {
    promptIds,
    maxTokens,
    sampling,
    ignoreEos,
    adjustments,
    priority,
    cacheSalt,
    skipsCache,
  } = spec;
  const count = spec.logprobs;
  return {
    promptIds,
    maxTokens,
    sampling,
    ignoreEos,
    adjustments,
    priority,
    cacheSalt,
    skipsCache,
    signal,
    ...(spec.grammar === null ? {} : { grammar: spec.grammar }),
    ...(count === null ? {} : { logprobs: count }),
    ...(count === null || !echo.isTold ? {} : { promptLogprobs: count }),
  };
}

type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

function toTimings(event: FinishEvent): GenerationTimings {
  const { promptTokenCount, completionTokenCount, cachedTokenCount, timings } = event;
  return { promptTokenCount, completionTokenCount, cachedTokenCount, ...timings };
}

async function* run(
  spec: GenerationSpec,
  { model, signal, observer }: GenerationContext,
  progress: Progress,
): AsyncGenerator<GenerationPiece> {
  const { maxTokens } = spec;
  const echo = new Echo(spec, model.tokenizer);
  if (maxTokens === 0 && !echo.isTold) {
    yield* echo.pieces();
    yield { type: "finish", reason: "length", timings: progress.timings() };
    return;
  }
  const assembler = new TextAssembler(model.tokenizer, spec);
  for await (const event of model.engine.generate(toRequest(spec, signal, echo))) {
    signal.throwIfAborted();
    if (event.type === "prefill") {
      const { type: _, queueMs: __, ...counts } = event;
      progress.read(event);
      yield { type: "progress", ...counts, elapsedMs: progress.elapsedMs };
    } else if (event.type === "prompt_logprobs") {
      echo.add(event.entries);
    } else if (event.type === "token") {
      yield* echo.pieces();
      progress.countToken(observer);
      const assembled = assembler.push(event.id, event.logprobs);
      yield* toPieces(assembled, progress.completionTokenCount);
      if (assembled.stopped) {
        yield { type: "finish", reason: "stop", timings: progress.timings() };
        return;
      }
    } else {
      yield* echo.pieces();
      const assembled = assembler.flush(event.reason === "length");
      yield* toPieces(assembled, event.completionTokenCount);
      const reason = assembled.stopped ? "stop" : event.reason;
      yield { type: "finish", reason, timings: toTimings(event) };
      return;
    }
  }
  signal.throwIfAborted();
  invariant(false, "a generation that is not aborted ends with a finish event");
}

/** Tokens go with the first piece of text, wherever in it they are. */
function* toPieces(
  { pieces, tokens }: Assembled,
  completionTokenCount: number,
): Generator<GenerationPiece> {
  if (tokens.length > 0 && pieces[0]?.type !== "content") {
    yield { type: "text", text: "", tokens, completionTokenCount };
  }
  for (const [order, piece] of pieces.entries()) {
    if (piece.type !== "content") yield { ...piece, completionTokenCount };
    else {
      const told = order === 0 ? tokens : [];
      yield { type: "text", text: piece.text, tokens: told, completionTokenCount };
    }
  }
}

/** A grammar that cannot be followed is the fault of the field it came from. */
function named(error: unknown, { grammarParam }: GenerationSpec): unknown {
  if (!(error instanceof EngineError) || error.param !== "grammar") return error;
  return new EngineError(error.code, error.message, { param: grammarParam, cause: error });
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
  const progress = new Progress(spec.promptIds.length);
  let isOver = false;
  try {
    for await (const piece of run(spec, { ...context, signal: own.signal }, progress)) {
      if (piece.type === "finish") {
        isOver = true;
        context.observer.finished(piece.reason, progress.elapsedMs, piece.timings);
      }
      yield piece;
    }
  } catch (error) {
    isOver = true;
    // However the engine reports an abort, the cause is the reason it was aborted for.
    const cause = context.signal.aborted ? context.signal.reason : named(error, spec);
    context.observer.failed(cause, progress.timings());
    throw cause;
  } finally {
    const gone = new EngineError("aborted", "Cannot go on: the answer is not read any more");
    if (!isOver) context.observer.failed(gone, progress.timings());
    context.signal.removeEventListener("abort", forward);
    own.abort(gone);
  }
}
