/**
 * One generation as text: token ids in, thoughts, text and calls out, cut at stop strings.
 *
 * @module
 */

import { EngineError, invariant } from "../../../src/core/errors.ts";
import type { GenerateEvent } from "../../../src/engine/types.ts";
import type { ServedModel } from "../../state.ts";
import { TextAssembler } from "../text_assembler.ts";
import { Echo } from "./echo.ts";
import { toRequest } from "./engine_request.ts";
import type { GenerationObserver, GenerationTimings } from "./observer.ts";
import { type GenerationPiece, type PiecePlace, toPieces } from "./pieces.ts";
import { Progress } from "./progress.ts";
import { generateLimited, type ReasoningLimit } from "./reasoning_budget.ts";
import type { GenerationSpec } from "./spec.ts";

/** What a generation needs beside its spec. */
export interface GenerationContext {
  model: ServedModel;
  /** Ends the generation; its reason is what is thrown then. */
  signal: AbortSignal;
  observer: GenerationObserver;
}

type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

function toTimings(event: FinishEvent, reasoningTokenCount: number): GenerationTimings {
  const { promptTokenCount, completionTokenCount, cachedTokenCount, timings } = event;
  const counts = { promptTokenCount, completionTokenCount, reasoningTokenCount, cachedTokenCount };
  return { ...counts, ...timings, ...(event.kept ? { kept: event.kept } : {}) };
}

/** The limit of a request's thoughts; null if there is none. */
function limitOf(
  { reasoningTokenCountMax, reading }: GenerationSpec,
  { tokenizer }: ServedModel,
  assembler: TextAssembler,
): ReasoningLimit | null {
  if (reasoningTokenCountMax === null || !reading?.reasoning) return null;
  return {
    tokenCountMax: reasoningTokenCountMax,
    closingIds: tokenizer.tokenize(`\n${reading.reasoning.close}\n\n`, { parseSpecial: true }),
    isReasoning: () => assembler.isReasoning,
  };
}

async function* run(
  spec: GenerationSpec,
  { model, signal, observer }: GenerationContext,
  progress: Progress,
): AsyncGenerator<GenerationPiece> {
  const { maxTokens, recorder } = spec;
  const echo = new Echo(spec, model.tokenizer);
  const place = (ids: readonly number[]): PiecePlace => ({
    completionTokenCount: progress.completionTokenCount,
    ids: spec.returnsIds ? ids : [],
  });
  if (maxTokens === 0 && !echo.reportsLogprobs) {
    yield* echo.pieces();
    const timings = progress.timings();
    yield { type: "finish", reason: "length", ids: [], stopString: null, timings };
    return;
  }
  const assembler = new TextAssembler(model.tokenizer, spec);
  const request = toRequest(spec, signal, echo);
  const limit = limitOf(spec, model, assembler);
  for await (const event of generateLimited(model.engine, request, limit)) {
    signal.throwIfAborted();
    if (event.type === "prefill") {
      const { type: _, queueMs: __, ...counts } = event;
      progress.notePrefill(event);
      yield { type: "progress", ...counts, elapsedMs: progress.elapsedMs };
    } else if (event.type === "prompt_logprobs") {
      echo.add(event.entries);
    } else if (event.type === "token") {
      yield* echo.pieces();
      const wasReasoning = assembler.isReasoning;
      const assembled = assembler.push(event.id, event.logprobs);
      recorder?.push([event.id]);
      recorder?.read(assembled.pieces);
      progress.countToken(observer, wasReasoning || assembler.isReasoning);
      yield* toPieces(assembled, place([event.id]));
      if (assembled.stopped) {
        const { stopString } = assembled;
        const timings = progress.timings();
        yield { type: "finish", reason: "stop", ids: [], stopString, timings };
        return;
      }
    } else if (event.type === "forced") {
      recorder?.push(event.ids);
      for (const id of event.ids) {
        const logprobs = spec.logprobs === null ? undefined : { id, logprob: 0, top: [] };
        const assembled = assembler.push(id, logprobs);
        recorder?.read(assembled.pieces);
        yield* toPieces(assembled, place([id]));
      }
    } else if (event.type === "finish") {
      yield* echo.pieces();
      const assembled = assembler.flush(event.reason === "length");
      recorder?.read(assembled.pieces);
      if (!assembled.stopped) recorder?.end();
      yield* toPieces(assembled, place([]));
      const reason = assembled.stopped ? "stop" : event.reason;
      const timings = toTimings(event, progress.reasoningTokenCount);
      const { ids } = place(event.endId === undefined ? [] : [event.endId]);
      yield { type: "finish", reason, ids, stopString: assembled.stopString, timings };
      return;
    }
  }
  signal.throwIfAborted();
  invariant(false, "a generation that is not aborted ends with a finish event");
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
