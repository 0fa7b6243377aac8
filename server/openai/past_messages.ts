/**
 * Messages of a conversation as the model's template wants them: calls and their results in its own
 * way, or as text where it leaves them out.
 *
 * @module
 */

import type { ChatMessage, ChatTemplate } from "../../src/tokenizer/types.ts";
import { writeCalls } from "../reading/call_grammar.ts";
import { parseJson } from "../reading/json_value.ts";
import { type TemplateTraits, traitsOf } from "../reading/template_traits.ts";

/** A call in an earlier message. */
export interface PastCall {
  id: string;
  name: string;
  /** JSON text. */
  arguments: string;
}

/** A message before it is known how the template writes it. */
export interface Message extends ChatMessage {
  /** Thoughts that came before it. */
  reasoning?: string;
  /** Calls that it ends with. */
  calls?: readonly PastCall[];
  /** The id of the call whose result it is. */
  resultOf?: string;
}

/** An id as a template insists on it: nine letters and digits, the same ones for the same id. */
function fittingId(id: string, length: number | null): string {
  if (length === null || (id.length === length && /^[A-Za-z0-9]+$/.test(id))) return id;
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(id)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(36).padStart(length, "0").slice(-length);
}

function argumentsFor(call: PastCall, { pastArguments }: TemplateTraits): unknown {
  if (pastArguments === "text") return call.arguments;
  const value = parseJson(call.arguments);
  // What is no object goes as it is: the template says what it makes of it.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value
    : call.arguments;
}

/** Members in which templates look for thoughts. */
function reasoningOf({ reasoning, calls, content }: Message, template: ChatTemplate) {
  if (!reasoning) return {};
  // One family keeps thoughts or text beside calls, and refuses both.
  const refusesBoth = template.source.includes("Cannot pass both content and thinking");
  if (refusesBoth && (calls?.length ?? 0) > 0 && content !== "") return {};
  const others = ["reasoning", "thinking"].filter((name) => template.reads(name));
  return Object.fromEntries(["reasoning_content", ...others].map((name) => [name, reasoning]));
}

/** Each call with its result, one after the other, for templates that know one call at a time. */
function oneByOne(messages: readonly Message[]): Message[] {
  const results = new Map(messages.map((message) => [message.resultOf, message]));
  results.delete(undefined);
  const moved = new Set<Message>();
  return messages.flatMap((message): Message[] => {
    if (moved.has(message)) return [];
    const { calls = [], sampledIds } = message;
    if (calls.length < 2 || sampledIds) return [message];
    return calls.flatMap((call, index): Message[] => {
      const first = index === 0 ? message : { role: message.role, content: "" };
      const result = results.get(call.id);
      if (result) moved.add(result);
      return [{ ...first, calls: [call] }, ...(result ? [result] : [])];
    });
  });
}

/** The same messages for `render`. */
export function toTemplateMessages(
  messages: readonly Message[],
  template: ChatTemplate,
): ChatMessage[] {
  const traits = traitsOf(template);
  const { pastArguments, writesResults, calls: form, idLength, isSingleCall } = traits;
  const names = new Map(
    messages.flatMap(({ calls = [] }) => calls.map(({ id, name }) => [id, name] as const)),
  );
  const ordered = isSingleCall ? oneByOne(messages) : messages;
  return ordered.map((message): ChatMessage => {
    const { role, content, extra, calls = [], resultOf, sampledIds } = message;
    if (sampledIds) return { role, content: "", sampledIds };
    const more = { ...extra, ...reasoningOf(message, template) };
    const withExtra = (added: object = {}) => {
      const all = { ...more, ...added };
      return Object.keys(all).length === 0 ? {} : { extra: all };
    };
    if (resultOf !== undefined) {
      if (pastArguments === null && !writesResults) {
        // Every template knows what a user says.
        return { role: "user", content: `<tool_response>\n${content}\n</tool_response>` };
      }
      const name = names.get(resultOf);
      const id = { tool_call_id: fittingId(resultOf, idLength) };
      return { role: "tool", content, ...withExtra({ ...id, ...(name ? { name } : {}) }) };
    }
    if (calls.length === 0) return { role, content, ...withExtra() };
    if (pastArguments === null) {
      const parts = [...(content === "" ? [] : [content as string]), writeCalls(form, calls)];
      return { role, content: parts.join("\n"), ...withExtra() };
    }
    const tool_calls = calls.map((call) => ({
      id: fittingId(call.id, idLength),
      type: "function",
      function: { name: call.name, arguments: argumentsFor(call, traits) },
    }));
    return { role, content, ...withExtra({ tool_calls }) };
  });
}
