/**
 * The body of a chat completion.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../src/core/sampling.ts";
import type { ChatMessage } from "../../src/tokenizer/types.ts";
import { ApiError } from "./errors.ts";
import { parseBody } from "./parse_body.ts";
import { describePartType } from "./part_type.ts";
import { commonFields, type CommonRequest, toCommonRequest } from "./schema_common.ts";
import {
  formatSchema,
  type Structure,
  toolChoiceSchema,
  toolsSchema,
  toStructure,
} from "./structured.ts";
import { writeCalls, writeResult } from "./tool_prompt.ts";
import { refuseUnsupported } from "./unsupported.ts";

const partSchema = z.object({ type: z.string(), text: z.string().optional() });

const callSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.union([z.string(), z.array(partSchema).min(1)]).nullish(),
  tool_calls: z.array(callSchema).nullish(),
  tool_call_id: z.string().nullish(),
  function_call: z.unknown().nullish(),
});

const messagesSchema = z.array(messageSchema).min(1);

/** A chat completion as it comes. */
export const chatSchema = z.object({
  ...commonFields,
  messages: messagesSchema,
  max_tokens: z.number().int().min(1).nullish(),
  max_completion_tokens: z.number().int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  tools: toolsSchema.nullish(),
  tool_choice: toolChoiceSchema.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: formatSchema.nullish(),
});

/** A conversation alone. */
export const templateSchema = z.object({ messages: messagesSchema });

type MessageBody = z.infer<typeof messageSchema>;

/** A chat completion, checked. */
export interface ChatRequest extends CommonRequest {
  messages: readonly ChatMessage[];
  /** Null: as many as the context has room for. */
  maxTokens: number | null;
  structure: Structure;
}

function notSupported(param: string): ApiError {
  const message = `Cannot honour ${param}: it is not supported yet`;
  return new ApiError(400, message, { param, code: "unsupported_parameter" });
}

function missing(param: string): ApiError {
  const options = { param, code: "missing_required_parameter" };
  return new ApiError(400, `Cannot accept the request: ${param} is missing`, options);
}

function toText(content: Exclude<MessageBody["content"], null | undefined>, at: string): string {
  if (typeof content === "string") return content;
  const texts = content.map((part, partIndex) => {
    if (part.type !== "text") {
      const param = `${at}[${partIndex}].type`;
      const message = `Cannot read ${param}: ${describePartType(part.type)}`;
      throw new ApiError(400, message, { param, code: "unsupported_parameter" });
    }
    if (part.text === undefined) throw missing(`${at}[${partIndex}].text`);
    return part.text;
  });
  return texts.join("\n");
}

/** Results of calls come back as what the user says: every template knows that role. */
function toMessage(message: MessageBody, messageIndex: number): ChatMessage {
  const at = `messages[${messageIndex}]`;
  if (message.role === "function") throw notSupported(`${at}.role`);
  if (message.function_call) throw notSupported(`${at}.function_call`);
  const { content } = message;
  const calls = (message.tool_calls ?? []).map((call) => call.function);
  if ((content === null || content === undefined) && calls.length === 0) {
    throw missing(`${at}.content`);
  }
  const text = toText(content ?? "", `${at}.content`);
  if (message.role === "tool") return { role: "user", content: writeResult(text) };
  if (calls.length > 0) return { role: message.role, content: writeCalls(text, calls) };
  // Templates of local models know only "system" for what OpenAI came to call "developer".
  return { role: message.role === "developer" ? "system" : message.role, content: text };
}

/**
 * Checks a list of messages and flattens their contents to text.
 *
 * @throws {ApiError} 400 with `param`, also for contents other than text.
 */
export function parseMessages(body: unknown): ChatMessage[] {
  return parseBody(templateSchema, body).messages.map(toMessage);
}

/**
 * Checks the body of a chat completion.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
export function parseChatRequest(body: unknown): ChatRequest {
  const parsed = parseBody(chatSchema, body);
  const messages = parsed.messages.map(toMessage);
  refuseUnsupported("chat", body);
  const maxTokens = parsed.max_completion_tokens ?? parsed.max_tokens ?? null;
  const { logprobs, top_logprobs: topCount } = parsed;
  if (topCount && !logprobs) {
    const message = "Cannot accept top_logprobs: logprobs is not true";
    throw new ApiError(400, message, { param: "top_logprobs", code: "invalid_value" });
  }
  const told = logprobs ? topCount ?? 0 : null;
  const structure = toStructure(parsed);
  return { ...toCommonRequest(parsed), messages, maxTokens, logprobs: told, structure };
}
