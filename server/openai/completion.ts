/**
 * POST /v1/completions.
 *
 * @module
 */

import type { Context } from "hono";
import { watchOf } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { COMPLETION_FORMAT } from "./answer_format.ts";
import { ApiError } from "./errors.ts";
import { checkIds } from "./specs.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import { readJson } from "./parse_body.ts";
import { checkModelName, fittingIds, readyModel, type RouteContext } from "./route_context.ts";
import {
  type CompletionRequest,
  parseCompletionRequest,
  type Prompt,
} from "./schema_completion.ts";
import { fitLengths } from "./schema_lengths.ts";
import { toSpecs } from "./specs.ts";
import { checkTextLength } from "./text_limit.ts";

/**
 * Token ids of a prompt given as text: special tokens in it count as such, BOS comes first if the
 * model wants one.
 */
async function tokenizePrompt(
  { tokenizer, prompts, engine }: ServedModel,
  text: string,
  { addsBos, promptCut }: CompletionRequest,
): Promise<number[]> {
  const tokenCountMax = promptCut === null ? engine.info.contextLength : Infinity;
  const ids = await prompts.tokenize(text, { parseSpecial: true, tokenCountMax });
  const { addBos, bosId } = tokenizer;
  return addsBos && addBos && bosId !== null && ids[0] !== bosId ? [bosId, ...ids] : ids;
}

async function toIds(
  model: ServedModel,
  prompt: Prompt,
  request: CompletionRequest,
): Promise<readonly number[]> {
  if (typeof prompt !== "string") {
    checkIds(model.tokenizer, prompt, "prompt");
    return prompt;
  }
  const ids = await tokenizePrompt(model, prompt, request);
  if (ids.length > 0) return ids;
  const message = "Cannot accept prompt: it has no tokens";
  throw new ApiError(400, message, { param: "prompt", code: "invalid_value" });
}

async function planPrompt(
  prompt: Prompt,
  request: CompletionRequest,
  model: ServedModel,
): Promise<GenerationSpec[]> {
  const { tokenizer, engine } = model;
  if (typeof prompt === "string") checkTextLength(model, prompt.length, "prompt");
  const limit = { contextLength: engine.info.contextLength, param: "prompt" };
  const ids = await fittingIds(toIds(model, prompt, request), limit);
  const { promptIds, maxTokens } = fitLengths(ids, { ...request, ...limit });
  const isWhole = promptIds.length === ids.length && typeof prompt === "string";
  const promptText = () => isWhole ? prompt : tokenizer.detokenize(promptIds);
  const echo = request.echo ? promptText() : null;
  const { grammar, grammarParam } = request;
  const spec = { promptIds, maxTokens, echo, grammar, grammarParam, readsCalls: false };
  return toSpecs(request, spec, model);
}

async function plan(request: CompletionRequest, model: ServedModel): Promise<AnswerPlan> {
  const byPrompt: GenerationSpec[][] = [];
  for (const prompt of request.prompts) byPrompt.push(await planPrompt(prompt, request, model));
  const counts = byPrompt.map((choices) => choices[0].promptIds.length);
  return {
    format: COMPLETION_FORMAT,
    stream: request,
    choices: byPrompt.flat(),
    requestId: request.requestId,
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
    return await answer(await plan(request, model), { routes, model, clientSignal, watch });
  };
}
