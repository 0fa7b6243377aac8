/**
 * The input of POST /v1/responses: items of all types to messages.
 *
 * @module
 */

import { z } from "zod";
import { describePartType } from "../part_type.ts";
import type { Message } from "../past_messages.ts";
import { argumentsSchema, toArguments } from "../schema_messages.ts";
import { notSupported } from "../unsupported.ts";
import { joinedName } from "./namespaces.ts";

const contentPart = z.object({
  type: z.enum(["input_text", "output_text", "text"], {
    error: ({ input }) => describePartType(input),
  }),
  text: z.string(),
});

/** What an earlier answer said in the place of its text. */
const refusalPart = z.object({ type: z.literal("refusal"), refusal: z.string() });

const content = z.union([z.string(), z.array(z.union([contentPart, refusalPart]))]);

const messageFields = {
  role: z.enum(["system", "developer", "user", "assistant"]),
  content,
};
const messageItem = z.object({ type: z.literal("message"), ...messageFields });
/** A message says what it is, or is known by its role. */
const untypedMessage = z.object({ type: z.null().optional(), ...messageFields });

const callItem = z.object({
  type: z.literal("function_call"),
  call_id: z.string(),
  name: z.string(),
  namespace: z.string().nullish(),
  arguments: argumentsSchema.nullish(),
});

const customCallItem = z.object({
  type: z.literal("custom_tool_call"),
  call_id: z.string(),
  name: z.string(),
  input: z.string(),
});

const resultItem = z.object({
  type: z.enum(["function_call_output", "custom_tool_call_output"]),
  call_id: z.string(),
  output: content,
});

const reasoningItem = z.object({
  type: z.literal("reasoning"),
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })).nullish(),
  encrypted_content: z.string().nullish(),
});

/** What tools did that run on other servers, and items that say nothing to the model. */
const FOREIGN_TYPES = [
  "web_search_call",
  "file_search_call",
  "code_interpreter_call",
  "image_generation_call",
  "computer_call",
  "computer_call_output",
  "local_shell_call",
  "local_shell_call_output",
  "shell_call",
  "shell_call_output",
  "apply_patch_call",
  "apply_patch_call_output",
  "mcp_list_tools",
  "mcp_approval_request",
  "mcp_approval_response",
  "mcp_call",
  "tool_search_call",
  "tool_search_output",
  "program",
  "program_output",
  "compaction",
] as const;

/** Items without which an answer would be another one, and why they are refused. */
const REFUSED_TYPES = {
  item_reference: "items are not kept one by one",
  additional_tools: "tools are taken from the field tools alone",
  configuration_update: "settings are fields of the request, as reasoning and text",
  compaction_trigger: "the server compacts no contexts",
} as const;

type RefusedType = keyof typeof REFUSED_TYPES;

const foreignItem = z.object({ type: z.enum(FOREIGN_TYPES) });
const refusedItem = z.object({ type: z.enum(Object.keys(REFUSED_TYPES) as RefusedType[]) });

/** The input of a request. */
export const inputSchema = z.union([
  z.string().min(1),
  z.array(z.union([
    z.discriminatedUnion("type", [
      messageItem,
      callItem,
      customCallItem,
      resultItem,
      reasoningItem,
      foreignItem,
      refusedItem,
    ]),
    untypedMessage,
  ])).min(1),
]);

type Input = z.infer<typeof inputSchema>;

/** Marks thoughts that an answer carries for the client to send back. */
const SEAL = "packkv1.";

/** Thoughts as a text that means nothing to the client. */
export function sealThoughts(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return SEAL + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function unsealThoughts(sealed: string): string {
  if (!sealed.startsWith(SEAL)) return ""; // of another server
  try {
    const bytes = Uint8Array.from(atob(sealed.slice(SEAL.length)), (each) => each.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  } catch {
    return "";
  }
}

function textOf(given: z.infer<typeof content>): string {
  if (typeof given === "string") return given;
  return given.map((part) => part.type === "refusal" ? part.refusal : part.text).join("\n");
}

function thoughtsOf({ content: parts, encrypted_content }: z.infer<typeof reasoningItem>): string {
  const texts = (parts ?? []).map(({ text }) => text ?? "").filter((text) => text !== "");
  return texts.length > 0 ? texts.join("\n") : unsealThoughts(encrypted_content ?? "");
}

/** An answer of the model as it grows: its thoughts, its text and its calls are items apart. */
class AnswerBuilder {
  readonly messages: Message[] = [];
  #reasoning = "";

  /** The answer that is open; a text after calls begins another. */
  #open(isText: boolean): Message {
    const last = this.messages.at(-1);
    const isFree = last?.role === "assistant" && this.#reasoning === "" &&
      !(isText && (last.calls || last.content !== ""));
    if (isFree) return last;
    const opened: Message = { role: "assistant", content: "" };
    if (this.#reasoning !== "") opened.reasoning = this.#reasoning;
    this.#reasoning = "";
    this.messages.push(opened);
    return opened;
  }

  think(text: string): void {
    if (text !== "") this.#reasoning += this.#reasoning === "" ? text : `\n${text}`;
  }

  say(text: string): void {
    this.#open(true).content = text;
  }

  call(id: string, name: string, args: string): void {
    const answer = this.#open(false);
    answer.calls = [...answer.calls ?? [], { id, name, arguments: args }];
  }

  add(other: Message): void {
    this.#reasoning = "";
    this.messages.push(other);
  }
}

/**
 * The messages of an input. Items that follow one another are those of one answer.
 *
 * @param warnings Gets what is left out.
 * @throws {ApiError} 400 for an item without which the answer would be another one.
 */
export function toMessages(input: Input, warnings: string[]): Message[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const builder = new AnswerBuilder();
  for (const [index, item] of input.entries()) {
    switch (item.type) {
      case "function_call":
        builder.call(
          item.call_id,
          joinedName(item.namespace, item.name),
          toArguments(item.arguments),
        );
        break;
      case "custom_tool_call":
        builder.call(item.call_id, item.name, JSON.stringify({ input: item.input }));
        break;
      case "function_call_output":
      case "custom_tool_call_output":
        builder.add({ role: "tool", content: textOf(item.output), resultOf: item.call_id });
        break;
      case "reasoning":
        builder.think(thoughtsOf(item));
        break;
      case "item_reference":
      case "additional_tools":
      case "configuration_update":
      case "compaction_trigger":
        throw notSupported(`input[${index}]`, REFUSED_TYPES[item.type]);
      case "message":
      case undefined:
      case null: {
        const role = item.role === "developer" ? "system" : item.role;
        if (role === "assistant") builder.say(textOf(item.content));
        else builder.add({ role, content: textOf(item.content) });
        break;
      }
      default:
        warnings.push(`input items of type ${item.type} are left out`);
    }
  }
  return builder.messages;
}
