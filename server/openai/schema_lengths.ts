/**
 * How many tokens of a prompt are kept, and how many are generated.
 *
 * @module
 */

import { z } from "zod";
import { agreed } from "./agreed.ts";
import { roomFor } from "./route_context.ts";

/** Asks for as many tokens as there is room for. */
const NO_LIMIT = -1;

/** Schema of a number of tokens to generate; -1 is no limit. */
export const tokenLimit = () => z.number().int().min(NO_LIMIT);

/** Zod shape of the fields that cut a prompt, under vLLM's name. */
export const promptCutFields = {
  truncate_prompt_tokens: z.number().int().min(NO_LIMIT)
    .refine((value) => value !== 0, "expected 1 or more, or -1 for what there is room for")
    .nullish(),
};

/**
 * Most tokens to generate; null if there is no limit.
 *
 * @param given The fields that say so, by name.
 * @param otherwise If none is given.
 * @throws {ApiError} 400 if two fields differ.
 */
export function toTokenLimit(
  given: Readonly<Record<string, number | null | undefined>>,
  otherwise: number | null,
): number | null {
  const limit = agreed(given) ?? otherwise;
  return limit === NO_LIMIT ? null : limit;
}

const reasoningLimit = () => z.number().int().min(NO_LIMIT).nullish();

/** Zod shape of the limit of thoughts, under vLLM's, llama.cpp's and other names. */
export const reasoningLimitFields = {
  thinking_token_budget: reasoningLimit(),
  thinking_budget_tokens: reasoningLimit(),
  thinking_budget: reasoningLimit(),
  reasoning_budget: reasoningLimit(),
  reasoning_budget_tokens: reasoningLimit(),
};

type ReasoningLimits = Partial<
  Record<keyof typeof reasoningLimitFields, number | null | undefined>
>;

/** How long a model may think. */
export interface ReasoningLimit {
  tokenCountMax: number;
  /** The field that says so, if a model without thoughts is to refuse it. */
  param: string | null;
}

/**
 * The limit of thoughts; null if there is none.
 *
 * @throws {ApiError} 400 if two fields differ.
 */
export function toReasoningLimit(body: ReasoningLimits): ReasoningLimit | null {
  const names = Object.keys(reasoningLimitFields) as (keyof typeof reasoningLimitFields)[];
  const given = Object.fromEntries(names.map((name) => [name, body[name]]));
  const tokenCountMax = toTokenLimit(given, null);
  if (tokenCountMax === null) return null;
  return { tokenCountMax, param: names.find((name) => given[name] === tokenCountMax) ?? null };
}

/** What lengths are fitted to. */
export interface LengthOptions {
  /** Most tokens to generate; null for all there is room for. */
  maxTokens: number | null;
  /** Whether `maxTokens` is a limit only: where there is less room, the answer is shorter. */
  isLimitOnly?: boolean;
  /** Most tokens of the prompt to keep, -1 for what there is room for; null keeps all. */
  promptCut: number | null;
  /** Most tokens of prompt and answer together. */
  contextLength: number;
  /** The field the prompt came in. */
  param: string;
}

/**
 * The last tokens of a prompt that a request wants kept, and how many may be generated after them.
 *
 * @throws {ApiError} 400 `context_length_exceeded`.
 */
export function fitLengths(
  ids: readonly number[],
  { maxTokens, isLimitOnly = false, promptCut, contextLength, param }: LengthOptions,
): { promptIds: readonly number[]; maxTokens: number } {
  const room = contextLength - (maxTokens ?? 1);
  const keptCount = promptCut === NO_LIMIT ? Math.max(1, room) : promptCut ?? ids.length;
  const promptIds = keptCount < ids.length ? ids.slice(-keptCount) : ids;
  const asked = isLimitOnly && maxTokens !== null
    ? Math.max(1, Math.min(maxTokens, contextLength - promptIds.length))
    : maxTokens;
  return { promptIds, maxTokens: roomFor(promptIds.length, asked, { contextLength, param }) };
}
