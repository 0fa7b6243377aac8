/**
 * The body of a chat completion.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../src/core/sampling.ts";
import type { Conversation } from "./chat_prompt.ts";
import { ApiError } from "./errors.ts";
import { parseBody } from "./parse_body.ts";
import { commonFields, type CommonRequest, toCommonRequest } from "./schema_common.ts";
import { promptCutFields, tokenLimit, toTokenLimit } from "./schema_lengths.ts";
import { conversationFields, toConversation } from "./schema_messages.ts";
import { formatSchema, type Structure, toStructure } from "./structured.ts";
import { refuseUnsupported } from "./unsupported.ts";

const limit = tokenLimit().refine((value) => value !== 0, "expected 1 or more, or -1 for no limit");

/** A chat completion as it comes. */
export const chatSchema = z.object({
  ...commonFields,
  ...conversationFields,
  ...promptCutFields,
  max_completion_tokens: limit.nullish(),
  max_tokens: limit.nullish(),
  n_predict: limit.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: formatSchema.nullish(),
});

const HONOURED = Object.keys(chatSchema.shape);

/** A chat completion, checked. */
export interface ChatRequest extends CommonRequest {
  conversation: Conversation;
  /** Most tokens of the prompt that are kept, the last ones; null keeps all. */
  promptCut: number | null;
  /** Null: as many as the context has room for. */
  maxTokens: number | null;
  structure: Structure;
}

/**
 * Checks the body of a chat completion.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
export function parseChatRequest(body: unknown): ChatRequest {
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
  };
}
