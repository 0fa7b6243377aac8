/**
 * From a plan to an HTTP answer: all choices of a request run side by side, sent as one JSON value
 * or as chunks.
 *
 * @module
 */

import type { FinishReason } from "../../src/engine/types.ts";
import type { NamedModel } from "../models/models.ts";
import type { RequestWatch } from "../request_watch.ts";
import {
  type AnswerCall,
  type AnswerFormat,
  type ChoiceReason,
  toTimingsBody,
  toUsage,
  type WholeChoice,
} from "./answer_format.ts";
import { generateText } from "./generation/generate_text.ts";
import type { GenerationTimings } from "./generation/observer.ts";
import type { GenerationPiece } from "./generation/pieces.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import { type Indexed, mergeConcurrent } from "./merge.ts";
import { openScope, type RequestScope } from "./request_scope.ts";
import type { RouteContext } from "./route_context.ts";
import type { StreamSettings } from "./schema_common.ts";
import { answerSse, toFrame } from "./sse.ts";
import type { AnswerToken, TokenNaming } from "./logprob_alignment.ts";

/** A request, ready to run. */
export interface AnswerPlan {
  format: AnswerFormat;
  stream: StreamSettings;
  /** In the order of their indices. */
  choices: readonly GenerationSpec[];
  /** What the answer's id is made of; null draws a random one. */
  requestId: string | null;
  /** Each prompt counted once, however many choices it has. */
  promptTokenCount: number;
}

/** What running a plan needs. */
export interface AnswerContext {
  routes: RouteContext;
  model: NamedModel;
  /** Aborts when the client goes. */
  clientSignal: AbortSignal;
  watch: RequestWatch;
}

function toReason(reason: FinishReason, callCount: number): ChoiceReason {
  return callCount > 0 && reason === "stop" ? "tool_calls" : reason;
}

/** A whole choice as it grows. */
type GrowingChoice = WholeChoice & {
  tokens: AnswerToken[] | null;
  calls: AnswerCall[];
  ids: number[];
};

function grow(choice: GrowingChoice, piece: GenerationPiece): void {
  if (piece.type !== "progress") choice.ids.push(...piece.ids);
  if (piece.type === "text") {
    choice.text += piece.text;
    choice.tokens?.push(...piece.tokens);
  } else if (piece.type === "reasoning") {
    choice.reasoning += piece.text;
    choice.tokens?.push(...piece.tokens);
  } else if (piece.type === "call") {
    choice.calls.push({ id: piece.id, name: piece.name, arguments: "" });
  } else if (piece.type === "arguments") {
    choice.calls[piece.callIndex].arguments += piece.text;
  }
}

type TextPiece = Extract<GenerationPiece, { type: "text" }>;

/** One plan in the course of being answered. */
class AnswerRun {
  readonly #plan: AnswerPlan;
  readonly #context: AnswerContext;
  readonly #scope: RequestScope;
  readonly #envelope: { id: string; created: number; model: string };
  /** Tokens generated so far, by choice. */
  readonly #completionTokenCounts: number[];
  /** Those of them that are thoughts, by choice that has ended. */
  readonly #reasoningTokenCounts: number[] = [];
  /** Calls found so far, by choice. */
  readonly #callCounts: number[];
  /** Choices of which a chunk was made. */
  readonly #begun = new Set<number>();
  /** Characters sent so far, by choice. */
  readonly #textLengths: number[];
  /** Prompt tokens found in the cache, by choice that has ended. */
  readonly #cachedTokenCounts: number[] = [];

  constructor(plan: AnswerPlan, context: AnswerContext) {
    this.#plan = plan;
    this.#context = context;
    this.#envelope = {
      id: plan.format.idPrefix + (plan.requestId ?? crypto.randomUUID().replaceAll("-", "")),
      created: Math.floor(Date.now() / 1000),
      model: context.model.id,
    };
    this.#completionTokenCounts = plan.choices.map(() => 0);
    this.#callCounts = plan.choices.map(() => 0);
    this.#textLengths = plan.choices.map(() => 0);
    this.#scope = openScope(context.routes.state, context);
  }

  /** Ends all generations because the client is gone. */
  get clientGone(): () => void {
    return this.#scope.clientGone;
  }

  #usage(): object {
    const { promptTokenCount } = this.#plan;
    const completionTokenCount = this.#completionTokenCounts.reduce((sum, count) => sum + count, 0);
    const cachedTokenCount = this.#cachedTokenCount();
    const reasoningTokenCount = this.#reasoningTokenCounts.reduce((sum, count) => sum + count, 0);
    const counts = { completionTokenCount, reasoningTokenCount, cachedTokenCount };
    return toUsage({ promptTokenCount, ...counts });
  }

  /** Of each prompt, what none of its choices had to prefill; of those that have ended. */
  #cachedTokenCount(): number {
    const byPrompt = new Map<readonly number[], number>();
    this.#cachedTokenCounts.forEach((count, index) => {
      const { promptIds } = this.#plan.choices[index];
      byPrompt.set(promptIds, Math.min(count, byPrompt.get(promptIds) ?? count));
    });
    return [...byPrompt.values()].reduce((sum, count) => sum + count, 0);
  }

  #count(choiceIndex: number, piece: GenerationPiece): void {
    if (piece.type === "progress") return;
    const { completionTokenCount } = piece.type === "finish" ? piece.timings : piece;
    this.#completionTokenCounts[choiceIndex] = completionTokenCount;
    if (piece.type === "call") this.#callCounts[choiceIndex]++;
    if (piece.type === "finish") {
      this.#cachedTokenCounts[choiceIndex] = piece.timings.cachedTokenCount;
      this.#reasoningTokenCounts[choiceIndex] = piece.timings.reasoningTokenCount;
    }
  }

  #pieces(): AsyncGenerator<Indexed<GenerationPiece>> {
    const { model, watch: observer } = this.#context;
    const context = { model, observer, signal: this.#scope.signal };
    const sources = this.#plan.choices.map((spec) => () => generateText(spec, context));
    // No more at a time than the engine runs: a long list of prompts must not fill its queue.
    return mergeConcurrent(sources, Math.max(1, model.engine.info.sequenceCountMax));
  }

  /** The whole answer as one JSON value. */
  async whole(): Promise<object> {
    const { choices, format } = this.#plan;
    const contents = choices.map(({ logprobs }, index): GrowingChoice => {
      const tokens = logprobs === null ? null : [];
      return { index, text: "", offset: 0, reasoning: "", tokens, calls: [], ids: [] };
    });
    const reasons: FinishReason[] = [];
    const timings: GenerationTimings[] = [];
    try {
      for await (const { sourceIndex, value: piece } of this.#pieces()) {
        this.#count(sourceIndex, piece);
        grow(contents[sourceIndex], piece);
        if (piece.type === "finish") {
          reasons[sourceIndex] = piece.reason;
          timings[sourceIndex] = piece.timings;
        }
      }
    } finally {
      this.#scope.end();
    }
    const fields = contents.map(({ index, ids }) => this.#idFields(index, { ids, isFirst: true }));
    return {
      ...this.#head(format.answerObject),
      ...fields[0].ofAnswer,
      choices: contents.map((content) => {
        const { index, calls } = content;
        const reason = toReason(reasons[index], calls.length);
        return {
          ...format.choice(content, reason, this.#naming(index)),
          ...fields[index].ofChoice,
        };
      }),
      usage: this.#usage(),
      timings: toTimingsBody(timings),
    };
  }

  #head(object: string): object {
    const { id, created, model } = this.#envelope;
    return { id, object, created, model };
  }

  /** Fields for the ids of a choice, if asked for; `isFirst`: those of its prompt too. */
  #idFields(
    index: number,
    { ids, isFirst }: { ids: readonly number[]; isFirst: boolean },
  ): { ofAnswer: object; ofChoice: object } {
    const { format, choices } = this.#plan;
    const { promptIds, returnsIds } = choices[index];
    if (!returnsIds) return { ofAnswer: {}, ofChoice: {} };
    const ofPrompt = isFirst ? { prompt_token_ids: promptIds } : {};
    const token_ids = { token_ids: ids };
    return format.promptIdsIn === "answer"
      ? { ofAnswer: ofPrompt, ofChoice: token_ids }
      : { ofAnswer: {}, ofChoice: { ...ofPrompt, ...token_ids } };
  }

  #chunk(
    index: number,
    choice: object,
    { ids = [], extra = {} }: { ids?: readonly number[]; extra?: object } = {},
  ): string {
    const { format, stream } = this.#plan;
    const { ofAnswer, ofChoice } = this.#idFields(index, { ids, isFirst: !this.#begun.has(index) });
    this.#begun.add(index);
    const usage = stream.continuousUsage
      ? { usage: this.#usage() }
      : stream.includeUsage
      ? { usage: null }
      : {};
    return toFrame({
      ...this.#head(format.chunkObject),
      ...ofAnswer,
      choices: [{ ...choice, ...ofChoice }],
      ...usage,
      ...extra,
    });
  }

  *#framesOf(index: number, piece: GenerationPiece): Generator<string> {
    const { format, stream } = this.#plan;
    if (piece.type === "text") yield this.#chunk(index, this.#delta(index, piece), piece);
    else if (piece.type === "reasoning") {
      yield this.#chunk(index, this.#reasoningDelta(index, piece), piece);
    } else if (piece.type === "call" || piece.type === "arguments") {
      yield this.#chunk(index, format.callDelta(index, piece), piece);
    } else if (piece.type === "finish") {
      const extra = { timings: toTimingsBody([piece.timings]) };
      const reason = toReason(piece.reason, this.#callCounts[index]);
      yield this.#chunk(index, format.closing(index, reason), { ids: piece.ids, extra });
    } else if (stream.returnProgress) {
      const prompt_progress = {
        total: piece.promptTokenCount,
        cache: piece.cachedTokenCount,
        processed: piece.processedTokenCount,
        time_ms: piece.elapsedMs,
      };
      const none = this.#delta(index, { text: "", tokens: [] });
      yield this.#chunk(index, none, { extra: { prompt_progress } });
    }
  }

  #reasoningDelta(index: number, { text, tokens }: Pick<TextPiece, "text" | "tokens">): object {
    const { format, choices } = this.#plan;
    const told = choices[index].logprobs === null || tokens.length === 0 ? null : tokens;
    const content = { index, text, offset: 0, tokens: told };
    return format.reasoningDelta(content, this.#naming(index));
  }

  #delta(index: number, { text, tokens }: Pick<TextPiece, "text" | "tokens">): object {
    const { format, choices } = this.#plan;
    const offset = this.#textLengths[index];
    this.#textLengths[index] += text.length;
    const aligned = choices[index].logprobs === null || tokens.length === 0 ? null : tokens;
    return format.delta({ index, text, offset, tokens: aligned }, this.#naming(index));
  }

  #naming(index: number): TokenNaming {
    return { tokenizer: this.#context.model.tokenizer, byId: this.#plan.choices[index].namesById };
  }

  /** The answer in frames; each choice opens with its first event, so that refusals come first. */
  async *frames(): AsyncGenerator<string> {
    const { format, stream } = this.#plan;
    const opened = new Set<number>();
    try {
      for await (const { sourceIndex, value: piece } of this.#pieces()) {
        if (!opened.has(sourceIndex)) {
          opened.add(sourceIndex);
          const opening = format.opening(sourceIndex);
          if (opening !== null) yield this.#chunk(sourceIndex, opening);
        }
        this.#count(sourceIndex, piece);
        yield* this.#framesOf(sourceIndex, piece);
      }
      if (stream.includeUsage) {
        const head = this.#head(format.chunkObject);
        yield toFrame({ ...head, choices: [], usage: this.#usage() });
      }
      yield "data: [DONE]\n\n";
    } finally {
      this.#scope.end();
    }
  }
}

/**
 * Runs `plan` and answers with it, in frames if it asks for a stream.
 *
 * @throws {EngineError} What ended a generation before the answer began.
 */
export async function answer(plan: AnswerPlan, context: AnswerContext): Promise<Response> {
  const run = new AnswerRun(plan, context);
  if (!plan.stream.stream) return Response.json(await run.whole());
  const { pingIntervalMs } = context.routes;
  return await answerSse(run.frames(), { pingIntervalMs, onCancel: run.clientGone });
}
