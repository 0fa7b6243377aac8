/**
 * POST /v1/completions.
 *
 * @module
 */

import type { Context } from "hono";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { answer, type AnswerPlan, type ChoicePlan } from "./answer.ts";
import { COMPLETION_FORMAT } from "./answer_format.ts";
import { ApiError } from "./errors.ts";
import { readJson } from "./parse_body.ts";
import { checkModelName, readyModel, roomFor, type RouteContext } from "./route_context.ts";
import { seedOfChoice } from "./schema_common.ts";
import {
  type CompletionRequest,
  parseCompletionRequest,
  type Prompt,
} from "./schema_completion.ts";

/**
 * Token ids of a prompt given as text: special tokens in it count as such, BOS comes first if the
 * model wants one.
 */
export function tokenizePrompt(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.tokenize(text, { parseSpecial: true });
  const { addBos, bosId } = tokenizer;
  return addBos && bosId !== null && ids[0] !== bosId ? [bosId, ...ids] : ids;
}

/**
 * Checks ids given by a client.
 *
 * @throws {ApiError} 400 if one is not in the vocabulary.
 */
export function checkIds(tokenizer: Tokenizer, ids: readonly number[], param: string): void {
  const wrong = ids.find((id) => id >= tokenizer.vocabSize);
  if (wrong === undefined) return;
  const message = `Cannot accept ${param}: token id ${wrong} is not below the vocabulary's ` +
    `${tokenizer.vocabSize}`;
  throw new ApiError(400, message, { param, code: "invalid_value" });
}

function toIds(tokenizer: Tokenizer, prompt: Prompt): readonly number[] {
  if (typeof prompt !== "string") {
    checkIds(tokenizer, prompt, "prompt");
    return prompt;
  }
  const ids = tokenizePrompt(tokenizer, prompt);
  if (ids.length > 0) return ids;
  const message = "Cannot accept prompt: it has no tokens";
  throw new ApiError(400, message, { param: "prompt", code: "invalid_value" });
}

function planPrompt(prompt: Prompt, request: CompletionRequest, model: ServedModel): ChoicePlan[] {
  const { tokenizer, engine } = model;
  const promptIds = toIds(tokenizer, prompt);
  const { contextLength } = engine.info;
  const maxTokens = roomFor(promptIds.length, request.maxTokens, {
    contextLength,
    param: "prompt",
  });
  const promptText = () => typeof prompt === "string" ? prompt : tokenizer.detokenize(prompt);
  const echoText = request.echo ? promptText() : "";
  const { sampling, stop, ignoreEos, choiceCount } = request;
  return Array.from({ length: choiceCount }, (_, choiceIndex) => {
    const seed = seedOfChoice(sampling.seed, choiceIndex);
    const spec = { promptIds, maxTokens, sampling: { ...sampling, seed }, stop, ignoreEos };
    return { spec, echoText };
  });
}

function plan(request: CompletionRequest, model: ServedModel): AnswerPlan {
  const byPrompt = request.prompts.map((prompt) => planPrompt(prompt, request, model));
  const counts = byPrompt.map((choices) => choices[0].spec.promptIds.length);
  return {
    format: COMPLETION_FORMAT,
    stream: request,
    choices: byPrompt.flat(),
    promptTokenCount: counts.reduce((sum, count) => sum + count, 0),
  };
}

/** Makes the handler of plain completions. */
export function completionRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const request = parseCompletionRequest(await readJson(context.req));
    checkModelName(routes, request.model);
    const model = readyModel(routes.state);
    const clientSignal = context.req.raw.signal;
    return await answer(plan(request, model), { routes, model, clientSignal });
  };
}
