/**
 * POST /v1/completions.
 *
 * @module
 */

import type { Context } from "hono";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import { watchOf } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { COMPLETION_FORMAT } from "./answer_format.ts";
import { ApiError } from "./errors.ts";
import { checkIds } from "./specs.ts";
import type { GenerationSpec } from "./generation.ts";
import { readJson } from "./parse_body.ts";
import { checkModelName, readyModel, roomFor, type RouteContext } from "./route_context.ts";
import {
  type CompletionRequest,
  parseCompletionRequest,
  type Prompt,
} from "./schema_completion.ts";
import { toSpecs } from "./specs.ts";
import { checkTextLength } from "./text_limit.ts";

/**
 * Token ids of a prompt given as text: special tokens in it count as such, BOS comes first if the
 * model wants one.
 */
export function tokenizePrompt(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.tokenize(text, { parseSpecial: true });
  const { addBos, bosId } = tokenizer;
  return addBos && bosId !== null && ids[0] !== bosId ? [bosId, ...ids] : ids;
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

function planPrompt(
  prompt: Prompt,
  request: CompletionRequest,
  model: ServedModel,
): GenerationSpec[] {
  const { tokenizer, engine } = model;
  if (typeof prompt === "string") checkTextLength(model, prompt.length, "prompt");
  const promptIds = toIds(tokenizer, prompt);
  const { contextLength } = engine.info;
  const maxTokens = roomFor(promptIds.length, request.maxTokens, {
    contextLength,
    param: "prompt",
  });
  const promptText = () => typeof prompt === "string" ? prompt : tokenizer.detokenize(prompt);
  const echo = request.echo ? promptText() : null;
  const { grammar, grammarParam } = request;
  const spec = { promptIds, maxTokens, echo, grammar, grammarParam, readsCalls: false };
  return toSpecs(request, spec, model);
}

function plan(request: CompletionRequest, model: ServedModel): AnswerPlan {
  const byPrompt = request.prompts.map((prompt) => planPrompt(prompt, request, model));
  const counts = byPrompt.map((choices) => choices[0].promptIds.length);
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
    const watch = watchOf(context);
    return await answer(plan(request, model), { routes, model, clientSignal, watch });
  };
}
