/**
 * POST /v1/chat/completions: the answer to a conversation.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../src/core/sampling.ts";
import { withModel } from "../models/with_model.ts";
import { answer, type AnswerPlan } from "../openai/answer.ts";
import { CHAT_FORMAT } from "../openai/answer_format.ts";
import { type ConversationRequest, conversationSpecs } from "../openai/conversation_specs.ts";
import { ApiError } from "../openai/errors.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import type { RouteContext } from "../openai/route_context.ts";
import {
  chunkRest,
  count,
  envelope,
  finishReason,
  timings,
  tokenIds,
  usage,
} from "../openai/schema_answers.ts";
import { commonFields, toCommonRequest } from "../openai/schema_common.ts";
import {
  promptCutFields,
  reasoningLimitFields,
  tokenLimit,
  toReasoningLimit,
  toTokenLimit,
} from "../openai/schema_lengths.ts";
import { conversationFields, toConversation } from "../openai/schema_messages.ts";
import { formatSchema, toStructure } from "../openai/structured.ts";
import { refuseUnsupported } from "../openai/unsupported.ts";
import { readPins } from "../replay/pin_header.ts";
import { withReport } from "../replay/report_header.ts";
import { watchOf } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

const tokenCount = tokenLimit().refine(
  (value) => value !== 0,
  "expected 1 or more, or -1 for no limit",
);

/** A chat completion as it comes. */
const chatSchema = z.object({
  ...commonFields,
  ...conversationFields,
  ...promptCutFields,
  ...reasoningLimitFields,
  max_completion_tokens: tokenCount.nullish(),
  max_tokens: tokenCount.nullish(),
  n_predict: tokenCount.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: formatSchema.nullish(),
});

const logprob = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int().min(0).max(255)).nullable(),
});

const chatLogprobs = z.object({
  content: z.array(logprob.extend({ top_logprobs: z.array(logprob).max(20) })).nullable(),
  refusal: z.null(),
}).nullable();

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

/** A whole chat completion. */
const chatAnswer = z.object({
  ...envelope,
  object: z.literal("chat.completion"),
  prompt_token_ids: tokenIds,
  choices: z.array(z.object({
    index: count,
    message: z.object({
      role: z.literal("assistant"),
      content: z.string().nullable(),
      refusal: z.null(),
      reasoning_content: z.string().optional(),
      tool_calls: z.array(toolCall).optional(),
    }),
    logprobs: chatLogprobs,
    finish_reason: finishReason,
    token_ids: tokenIds,
  })).min(1),
  usage,
  timings,
});

/** A chunk of a streamed chat completion. */
const chatChunk = z.object({
  ...envelope,
  object: z.literal("chat.completion.chunk"),
  prompt_token_ids: tokenIds,
  choices: z.array(z.object({
    index: count,
    delta: z.object({
      role: z.literal("assistant").optional(),
      content: z.string().nullable().optional(),
      reasoning_content: z.string().optional(),
      tool_calls: z.array(z.object({
        index: count,
        id: z.string().optional(),
        type: z.literal("function").optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      })).optional(),
    }),
    logprobs: chatLogprobs,
    finish_reason: finishReason.nullable(),
    token_ids: tokenIds,
  })),
  ...chunkRest,
});

const HONOURED = Object.keys(chatSchema.shape);

/**
 * Checks the body of a chat completion.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
function parseChatRequest(body: unknown): ConversationRequest {
  const parsed = parseBody(chatSchema, body);
  const structure = toStructure(parsed);
  const conversation = toConversation(parsed, structure.toolUse);
  refuseUnsupported(body, HONOURED);
  const { max_completion_tokens, max_tokens, n_predict } = parsed;
  const { logprobs, top_logprobs: topCount } = parsed;
  if (topCount && !logprobs) {
    const message = "Cannot accept top_logprobs: logprobs is not true";
    throw new ApiError(400, message, { param: "top_logprobs", code: "invalid_value" });
  }
  return {
    ...toCommonRequest(parsed),
    conversation,
    promptCut: parsed.truncate_prompt_tokens ?? null,
    maxTokens: toTokenLimit({ max_completion_tokens, max_tokens, n_predict }, null),
    logprobs: logprobs ? topCount ?? 0 : null,
    structure,
    reasoningLimit: toReasoningLimit(parsed),
  };
}

async function plan(request: ConversationRequest, model: ServedModel): Promise<AnswerPlan> {
  const choices = await conversationSpecs(request, model, "messages");
  const promptTokenCount = choices[0].promptIds.length;
  const { requestId } = request;
  return { format: CHAT_FORMAT, stream: request, choices, promptTokenCount, requestId };
}

/** Answers a conversation. */
export function chatRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/chat/completions",
    handler: async (context) => {
      const pins = readPins(context);
      const request = { ...parseChatRequest(await readJson(context.req)), pins };
      const clientSignal = context.req.raw.signal;
      const watch = watchOf(context);
      const ask = { routes, context, name: request.model, streams: request.stream };
      return await withModel(ask, async (model) => {
        const planned = await plan(request, model);
        const response = await answer(planned, { routes, model, clientSignal, watch });
        return withReport(response, planned.choices[0].report);
      });
    },
    doc: {
      summary: "Answer a conversation",
      request: chatSchema,
      answer: chatAnswer,
      chunk: chatChunk,
      errors: GENERATION_ERRORS,
    },
  };
}
