/**
 * POST /v1/completions: a text and how it goes on.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../src/core/sampling.ts";
import type { GrammarSpec } from "../../src/engine/types.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { withModel } from "../models/with_model.ts";
import { answer, type AnswerPlan } from "../openai/answer.ts";
import { COMPLETION_FORMAT } from "../openai/answer_format.ts";
import { PLAIN_TEXT } from "../openai/answer_reading.ts";
import { ApiError } from "../openai/errors.ts";
import type { GenerationSpec } from "../openai/generation/spec.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import { fittingIds, type RouteContext } from "../openai/route_context.ts";
import {
  chunkRest,
  count,
  envelope,
  finishReason,
  timings,
  tokenIds,
  usage,
} from "../openai/schema_answers.ts";
import { commonFields, type CommonRequest, toCommonRequest } from "../openai/schema_common.ts";
import { fitLengths, promptCutFields, tokenLimit, toTokenLimit } from "../openai/schema_lengths.ts";
import { checkIds, toSpecs } from "../openai/specs.ts";
import { formatSchema, toStructure } from "../openai/structured.ts";
import { checkTextLength } from "../openai/text_limit.ts";
import { refuseUnsupported } from "../openai/unsupported.ts";
import { watchOf } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

const MAX_TOKENS_DEFAULT = 16;

const idsSchema = z.array(z.number().int().min(0)).min(1);

/** Most prompts of one request. */
const PROMPT_COUNT_MAX = 128;

const promptSchema = z.union([
  z.string(),
  z.array(z.string()).min(1).max(PROMPT_COUNT_MAX),
  idsSchema,
  z.array(idsSchema).min(1).max(PROMPT_COUNT_MAX),
]);

/** A plain completion as it comes. */
const completionSchema = z.object({
  ...commonFields,
  prompt: promptSchema,
  ...promptCutFields,
  max_completion_tokens: tokenLimit().nullish(),
  max_tokens: tokenLimit().nullish(),
  n_predict: tokenLimit().nullish(),
  add_special_tokens: z.boolean().nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  suffix: z.string().nullish(),
  best_of: z.number().int().min(1).nullish(),
  response_format: formatSchema.nullish(),
});

const completionChoice = z.object({
  index: count,
  text: z.string(),
  logprobs: z.object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
    text_offset: z.array(count),
  }).nullable(),
  finish_reason: finishReason,
  prompt_token_ids: tokenIds,
  token_ids: tokenIds,
});

/** A whole plain completion. */
const completionAnswer = z.object({
  ...envelope,
  object: z.literal("text_completion"),
  choices: z.array(completionChoice).min(1),
  usage,
  timings,
});

/** A chunk of a streamed plain completion. */
const completionChunk = z.object({
  ...envelope,
  object: z.literal("text_completion"),
  choices: z.array(completionChoice.extend({ finish_reason: finishReason.nullable() })),
  ...chunkRest,
});

/** Checked for their type, not honoured. */
const { suffix: _, best_of: __, ...honoured } = completionSchema.shape;
const HONOURED = Object.keys(honoured);

/** One prompt: text, or token ids as they are. */
type Prompt = string | readonly number[];

/** A plain completion, checked. */
interface CompletionRequest extends CommonRequest {
  /** At least one; choices of prompt p are `p * choiceCount` and on. */
  prompts: readonly Prompt[];
  /** 0 generates nothing; null as many as the context has room for. */
  maxTokens: number | null;
  /** Most tokens of a prompt that are kept, the last ones; null keeps all. */
  promptCut: number | null;
  /** Whether a prompt given as text may begin with BOS. */
  addsBos: boolean;
  /** The answer begins with the prompt. */
  echo: boolean;
  /** What the text must be; null for anything. */
  grammar: GrammarSpec | null;
  /** The field it came from. */
  grammarParam: string;
}

function toPrompts(prompt: z.infer<typeof promptSchema>): Prompt[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : prompt as Prompt[];
}

/**
 * Checks the body of a plain completion.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
function parseCompletionRequest(body: unknown): CompletionRequest {
  const parsed = parseBody(completionSchema, body);
  refuseUnsupported(body, HONOURED);
  const { max_completion_tokens, max_tokens, n_predict } = parsed;
  const { format: grammar, param: grammarParam } = toStructure(parsed);
  return {
    ...toCommonRequest(parsed),
    grammar,
    grammarParam,
    logprobs: parsed.logprobs ?? null,
    prompts: toPrompts(parsed.prompt),
    maxTokens: toTokenLimit({ max_completion_tokens, max_tokens, n_predict }, MAX_TOKENS_DEFAULT),
    promptCut: parsed.truncate_prompt_tokens ?? null,
    addsBos: parsed.add_special_tokens ?? true,
    echo: parsed.echo ?? false,
  };
}

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
  return addsBos ? withBos(tokenizer, ids) : ids;
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
  const promptText = () => isWhole ? prompt : tokenizer.textOf(promptIds);
  const echo = request.echo ? promptText() : null;
  const { grammar, grammarParam } = request;
  const none = { messageEnds: [], isContinued: false, pins: null, recorder: null, report: null };
  const spec = { promptIds, maxTokens, echo, grammar, grammarParam, ...none, ...PLAIN_TEXT };
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

/** Continues a text. */
export function completionRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/completions",
    handler: async (context) => {
      const request = parseCompletionRequest(await readJson(context.req));
      const clientSignal = context.req.raw.signal;
      const watch = watchOf(context);
      const ask = { routes, context, name: request.model, streams: request.stream };
      return await withModel(ask, async (model) => {
        return await answer(await plan(request, model), { routes, model, clientSignal, watch });
      });
    },
    doc: {
      summary: "Continue a text, or give its likelihood",
      request: completionSchema,
      answer: completionAnswer,
      chunk: completionChunk,
      errors: GENERATION_ERRORS,
    },
  };
}
