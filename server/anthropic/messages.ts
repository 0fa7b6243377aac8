/**
 * Messages of POST /v1/messages: blocks to what templates read.
 *
 * @module
 */

import { z } from "zod";
import { ApiError } from "../openai/errors.ts";
import { describePartType } from "../openai/part_type.ts";
import type { Message } from "../openai/past_messages.ts";

const textBlock = z.object({ type: z.literal("text"), text: z.string() });

/** A block of any type: those that are not read are refused by their name. */
const blockSchema = z.looseObject({ type: z.string() });

/** One message. */
export const messageSchema = z.object({
  role: z.enum(["user", "assistant", "system"]),
  content: z.union([z.string(), z.array(blockSchema)]),
});

/** What comes before all messages. */
export const systemSchema = z.union([z.string(), z.array(textBlock)]);

const toolUse = z.object({
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()).nullish(),
});
const toolResult = z.object({
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(blockSchema)]).nullish(),
  is_error: z.boolean().nullish(),
});

type Block = z.infer<typeof blockSchema>;

function invalid(param: string, state: string, code = "invalid_value"): ApiError {
  return new ApiError(400, `Cannot accept ${param}: ${state}`, { param, code });
}

/** The block as its schema has it. */
function checked<T>(schema: z.ZodType<T>, block: Block, at: string): T {
  const result = schema.safeParse(block);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw invalid([at, ...path].join("."), message);
}

function unreadable(block: Block, at: string): ApiError {
  const message = `Cannot read ${at}.type: ${describePartType(block.type)}`;
  return new ApiError(400, message, { param: `${at}.type`, code: "unsupported_parameter" });
}

/** The text of blocks that may be nothing else. */
function textOf(content: string | readonly Block[], at: string): string {
  if (typeof content === "string") return content;
  return content.map((block, index) => {
    const place = `${at}[${index}]`;
    if (block.type !== "text") throw unreadable(block, place);
    return checked(textBlock, block, place).text;
  }).join("\n");
}

/** What an earlier answer was made of. */
function toAnswer(blocks: readonly Block[], at: string): Message {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const calls = blocks.flatMap((block, index) => {
    const place = `${at}[${index}]`;
    if (block.type === "text") texts.push(checked(textBlock, block, place).text);
    else if (block.type === "thinking") {
      thoughts.push(checked(z.object({ thinking: z.string() }), block, place).thinking);
    } else if (block.type === "tool_use") {
      const { id, name, input } = checked(toolUse, block, place);
      return [{ id, name, arguments: JSON.stringify(input ?? {}) }];
    } else if (block.type !== "redacted_thinking") throw unreadable(block, place);
    return [];
  });
  return {
    role: "assistant",
    content: texts.join("\n"),
    ...(thoughts.length === 0 ? {} : { reasoning: thoughts.join("\n") }),
    ...(calls.length === 0 ? {} : { calls }),
  };
}

/** Results of calls come first, whatever their order: an answer to them is what the user says. */
function toTurn(blocks: readonly Block[], at: string): Message[] {
  const texts: string[] = [];
  const results = blocks.flatMap((block, index): Message[] => {
    const place = `${at}[${index}]`;
    if (block.type === "text") texts.push(checked(textBlock, block, place).text);
    else if (block.type === "tool_result") {
      const { tool_use_id: resultOf, content } = checked(toolResult, block, place);
      return [{ role: "tool", content: textOf(content ?? "", `${place}.content`), resultOf }];
    } else throw unreadable(block, place);
    return [];
  });
  const said = texts.length > 0 || results.length === 0;
  return [...results, ...(said ? [{ role: "user", content: texts.join("\n") }] : [])];
}

/** All messages, and whether the last is to be continued. */
export function toMessages(
  { system, messages }: {
    system?: z.infer<typeof systemSchema> | null | undefined;
    messages: readonly z.infer<typeof messageSchema>[];
  },
): { messages: Message[]; continuesFinal: boolean } {
  const first = typeof system === "string" ? system : textOf(system ?? "", "system");
  const all = messages.flatMap(({ role, content }, index): Message[] => {
    const at = `messages[${index}].content`;
    if (typeof content === "string") return [{ role, content }];
    if (role === "assistant") return [toAnswer(content, at)];
    return role === "system" ? [{ role, content: textOf(content, at) }] : toTurn(content, at);
  });
  const last = all.at(-1)!;
  const continuesFinal = last.role === "assistant";
  if (continuesFinal && last.calls) {
    throw invalid(`messages[${messages.length - 1}]`, "a tool_use is followed by its tool_result");
  }
  const before = first === "" ? [] : [{ role: "system", content: first }];
  return { messages: [...before, ...all], continuesFinal };
}
