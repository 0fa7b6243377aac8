/**
 * The messages of a conversation, and the fields that say how it becomes a prompt.
 *
 * @module
 */

import { z } from "zod";
import type { ChatMessage } from "../../src/tokenizer/types.ts";
import type { Conversation, TemplateVariable } from "./chat_prompt.ts";
import { ApiError } from "./errors.ts";
import { describePartType } from "./part_type.ts";
import type { Message } from "./past_messages.ts";
import { toolChoiceSchema, toolsSchema, type ToolUse } from "./structured.ts";
import { notSupported } from "./unsupported.ts";

const partSchema = z.object({ type: z.string(), text: z.string().optional() });

/** Arguments of an earlier call: JSON text or, as some clients write them, the object itself. */
export const argumentsSchema = z.union([z.string(), z.record(z.string(), z.unknown())]);

const callSchema = z.object({
  id: z.string().nullish(),
  type: z.literal("function").nullish(),
  function: z.object({ name: z.string(), arguments: argumentsSchema.nullish() }),
});

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.union([z.string(), z.array(partSchema).min(1)]).nullish(),
  name: z.string().nullish(),
  refusal: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  tool_calls: z.array(callSchema).nullish(),
  tool_call_id: z.string().nullish(),
  function_call: z.unknown().nullish(),
  audio: z.unknown().nullish(),
});

/** Zod shape of a conversation and of what becomes of it; null is the same as absent. */
export const conversationFields = {
  messages: z.array(messageSchema).min(1),
  tools: toolsSchema.nullish(),
  tool_choice: toolChoiceSchema.nullish(),
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
  reasoning_effort: z.string().nullish(),
  enable_thinking: z.boolean().nullish(),
  documents: z.array(z.record(z.string(), z.unknown())).nullish(),
};

const conversationSchema = z.object(conversationFields);
type ConversationBody = z.infer<typeof conversationSchema>;
type MessageBody = z.infer<typeof messageSchema>;

/** JSON text of an earlier call's arguments; clients write none in three ways. */
export function toArguments(given: z.infer<typeof argumentsSchema> | null | undefined): string {
  if (typeof given === "object" && given !== null) return JSON.stringify(given);
  return given?.trim() ? given : "{}";
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

/** Members of a message that only some templates read. */
function extraOf({ name }: MessageBody): Pick<ChatMessage, "extra"> {
  return name ? { extra: { name } } : {};
}

/** Thoughts of an earlier answer, under either name. */
function reasoningOf(body: MessageBody, at: string): Pick<Message, "reasoning"> {
  const { reasoning_content, reasoning } = body;
  if (reasoning_content && reasoning && reasoning_content !== reasoning) {
    const message = `Cannot accept ${at}.reasoning: reasoning_content means the same and differs`;
    throw new ApiError(400, message, { param: `${at}.reasoning`, code: "invalid_value" });
  }
  const text = reasoning_content || reasoning;
  return text ? { reasoning: text } : {};
}

function toMessage(message: MessageBody, messageIndex: number): Message {
  const at = `messages[${messageIndex}]`;
  if (message.role === "function") throw notSupported(`${at}.role`);
  if (message.function_call) throw notSupported(`${at}.function_call`);
  if (message.audio) throw notSupported(`${at}.audio`);
  const content = message.content ?? message.refusal ?? null;
  // An answer may have been empty, and a result may be nothing.
  const mayBeEmpty = message.role === "assistant" || message.role === "tool";
  if (content === null && !mayBeEmpty) throw missing(`${at}.content`);
  const text = toText(content ?? "", `${at}.content`);
  const extra = extraOf(message);
  if (message.role === "tool") {
    return { role: "tool", content: text, resultOf: message.tool_call_id ?? "", ...extra };
  }
  const calls = (message.tool_calls ?? []).map(({ id, function: call }, index) => ({
    id: id ?? `call_${messageIndex}_${index}`,
    name: call.name,
    arguments: toArguments(call.arguments),
  }));
  // Templates of local models know only "system" for what OpenAI came to call "developer".
  const role = message.role === "developer" ? "system" : message.role;
  const thoughts = reasoningOf(message, at);
  return { role, content: text, ...extra, ...thoughts, ...(calls.length === 0 ? {} : { calls }) };
}

/** What a template is given beside the messages; checked when the template is known. */
export function toVariables(
  body: Pick<
    ConversationBody,
    "chat_template_kwargs" | "documents" | "reasoning_effort" | "enable_thinking"
  >,
  effortParam = "reasoning_effort",
): TemplateVariable[] {
  const { chat_template_kwargs: kwargs, documents, reasoning_effort: effort } = body;
  return [
    ...Object.entries(kwargs ?? {}).map(([name, value]) => {
      return { param: `chat_template_kwargs.${name}`, name, value };
    }),
    ...(documents ? [{ param: "documents", name: "documents", value: documents }] : []),
    ...(effort ? [{ param: effortParam, name: "reasoning_effort", value: effort }] : []),
    ...(typeof body.enable_thinking === "boolean"
      ? [{ param: "enable_thinking", name: "enable_thinking", value: body.enable_thinking }]
      : []),
  ];
}

/**
 * Flattens contents to text and fills in the defaults.
 *
 * @throws {ApiError} 400 with `param`, also for contents other than text.
 */
export function toConversation(body: ConversationBody, toolUse: ToolUse | null): Conversation {
  const continuesFinal = body.continue_final_message ?? false;
  if (continuesFinal && body.add_generation_prompt) {
    const param = "continue_final_message";
    const message = `Cannot accept ${param}: add_generation_prompt asks for a new message`;
    throw new ApiError(400, message, { param, code: "invalid_value" });
  }
  return {
    messages: body.messages.map(toMessage),
    toolUse,
    addGenerationPrompt: body.add_generation_prompt ?? !continuesFinal,
    continuesFinal,
    variables: toVariables(body),
  };
}
