/**
 * The JSON of answers: what chat and plain completions share, and where they differ.
 *
 * @module
 */

import type { FinishReason } from "../../src/engine/types.ts";
import type { GenerationTimings } from "./generation/observer.ts";
import type { ToolCallPiece } from "./generation/pieces.ts";
import {
  type AnswerToken,
  toChatLogprobs,
  toCompletionLogprobs,
  type TokenNaming,
} from "./logprob_alignment.ts";

/** Tokens read and written for one request. */
export interface TokenCounts {
  promptTokenCount: number;
  completionTokenCount: number;
  reasoningTokenCount: number;
  /** Prompt tokens that were in the cache. */
  cachedTokenCount: number;
}

/** A piece of a choice. */
export interface ChoiceText {
  index: number;
  text: string;
  /** Characters of the choice before it. */
  offset: number;
  /** Its tokens with log-probabilities; null if none were asked for. */
  tokens: readonly AnswerToken[] | null;
}

/** Why a choice ended, as clients see it. */
export type ChoiceReason = FinishReason | "tool_calls";

/** A call in a whole choice. */
export interface AnswerCall {
  id: string;
  name: string;
  /** JSON text. */
  arguments: string;
}

/** How one kind of completion writes its choices. */
export interface AnswerFormat {
  /** First characters of the answer's id. */
  idPrefix: string;
  /** `object` of an answer, and of a chunk of a streamed one. */
  answerObject: string;
  chunkObject: string;
  /** What has the ids of a prompt, as in vLLM. */
  promptIdsIn: "answer" | "choice";
  /** One choice of a whole answer. */
  choice(content: WholeChoice, reason: ChoiceReason, naming: TokenNaming): object;
  /** One choice of a chunk: the first of its choice, text in between, the last of its choice. */
  opening(index: number): object | null;
  delta(content: ChoiceText, naming: TokenNaming): object;
  /** The same of thoughts; for formats that have them apart from text. */
  reasoningDelta(content: ChoiceText, naming: TokenNaming): object;
  /** One choice of a chunk with a piece of a call; for formats that have calls. */
  callDelta(index: number, piece: ToolCallPiece): object;
  closing(index: number, reason: ChoiceReason): object;
}

/** A whole choice. */
export interface WholeChoice extends ChoiceText {
  /** Thoughts before the text; empty if there are none. */
  reasoning: string;
  calls: readonly AnswerCall[];
}

/** Chat completions: a message, sent as deltas. */
export const CHAT_FORMAT: AnswerFormat = {
  idPrefix: "chatcmpl-",
  answerObject: "chat.completion",
  chunkObject: "chat.completion.chunk",
  promptIdsIn: "answer",
  choice: ({ index, text, reasoning, tokens, calls }, finish_reason, naming) => ({
    index,
    message: {
      role: "assistant",
      content: text === "" && calls.length > 0 ? null : text,
      refusal: null,
      ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
      ...(calls.length === 0 ? {} : {
        tool_calls: calls.map(({ id, ...call }) => ({ id, type: "function", function: call })),
      }),
    },
    logprobs: tokens && toChatLogprobs(naming, tokens),
    finish_reason,
  }),
  opening: (index) => chatChunkChoice(index, { role: "assistant", content: "" }),
  delta: ({ index, text, tokens }, naming) => ({
    ...chatChunkChoice(index, { content: text }),
    logprobs: tokens && toChatLogprobs(naming, tokens),
  }),
  reasoningDelta: ({ index, text, tokens }, naming) => ({
    ...chatChunkChoice(index, { reasoning_content: text }),
    logprobs: tokens && toChatLogprobs(naming, tokens),
  }),
  callDelta: (index, piece) => chatChunkChoice(index, { tool_calls: [toCallDelta(piece)] }),
  closing: (index, finish_reason) => ({ ...chatChunkChoice(index, {}), finish_reason }),
};

/** Plain completions: text, the same in answers and chunks. */
export const COMPLETION_FORMAT: AnswerFormat = {
  idPrefix: "cmpl-",
  answerObject: "text_completion",
  chunkObject: "text_completion",
  promptIdsIn: "choice",
  choice: (content, reason, naming) => completionChoice(content, reason, naming),
  opening: () => null,
  delta: (content, naming) => completionChoice(content, null, naming),
  reasoningDelta: () => {
    throw new TypeError("Cannot report thoughts: plain completions have none");
  },
  callDelta: () => {
    throw new TypeError("Cannot report a call: plain completions have none");
  },
  closing: (index, finish_reason) => ({ index, text: "", logprobs: null, finish_reason }),
};

function toCallDelta(piece: ToolCallPiece): object {
  const { callIndex: index } = piece;
  if (piece.type === "arguments") return { index, function: { arguments: piece.text } };
  const { id, name } = piece;
  return { index, id, type: "function", function: { name, arguments: "" } };
}

function chatChunkChoice(index: number, delta: object): object {
  return { index, delta, logprobs: null, finish_reason: null };
}

function completionChoice(
  { index, text, offset, tokens }: ChoiceText,
  finish_reason: ChoiceReason | null,
  naming: TokenNaming,
): object {
  const logprobs = tokens && toCompletionLogprobs(naming, tokens, offset);
  return { index, text, logprobs, finish_reason };
}

/** `usage` of an answer. */
export function toUsage(counts: TokenCounts): object {
  const { promptTokenCount, completionTokenCount, reasoningTokenCount, cachedTokenCount } = counts;
  return {
    prompt_tokens: promptTokenCount,
    completion_tokens: completionTokenCount,
    total_tokens: promptTokenCount + completionTokenCount,
    prompt_tokens_details: { cached_tokens: cachedTokenCount },
    completion_tokens_details: { reasoning_tokens: reasoningTokenCount },
  };
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? count / ms * 1000 : 0;
}

/**
 * `timings` under llama.cpp's names; counts and milliseconds of several generations are summed.
 */
export function toTimingsBody(all: readonly GenerationTimings[]): object {
  const sum = (field: Exclude<keyof GenerationTimings, "kept">) =>
    all.reduce((total, timings) => total + timings[field], 0);
  const cachedCount = sum("cachedTokenCount");
  const promptCount = sum("promptTokenCount") - cachedCount;
  const promptMs = sum("prefillMs");
  const predictedCount = sum("completionTokenCount");
  const predictedMs = sum("decodeMs");
  return {
    cache_n: cachedCount,
    prompt_n: promptCount,
    prompt_ms: promptMs,
    prompt_per_second: perSecond(promptCount, promptMs),
    predicted_n: predictedCount,
    predicted_ms: predictedMs,
    predicted_per_second: perSecond(predictedCount, predictedMs),
  };
}
