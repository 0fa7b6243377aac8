/**
 * Tools in a prompt. A template that knows tools is given them; for any other they are described in
 * the system message. Calls and their results are written in the form both use.
 *
 * @module
 */

import type { ChatMessage } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { CALL_END, CALL_START, callBegin, type Tool, type ToolUse } from "./structured.ts";

/** A call in an earlier message. */
export interface PastCall {
  name: string;
  /** JSON text. */
  arguments: string;
}

/** An earlier answer with its calls, as the text it was. */
export function writeCalls(content: string, calls: readonly PastCall[]): string {
  const texts = calls.map((call) => `${callBegin(call.name)}${call.arguments}${CALL_END}`);
  return [...(content === "" ? [] : [content]), ...texts].join("\n");
}

/** The result of a call, as a message. */
export function writeResult(content: string): string {
  return `<tool_response>\n${content}\n</tool_response>`;
}

function definitionOf({ name, description, parameters }: Tool): Record<string, unknown> {
  return { type: "function", function: { name, description, parameters } };
}

function instructions(toolUse: ToolUse): string {
  const lines = toolUse.tools.map((tool) => JSON.stringify(definitionOf(tool)));
  return [
    "You can call these functions, one JSON object a line:",
    ...lines,
    `To call one, write ${CALL_START}, a line with a JSON object of "name" and "arguments", and`,
    "</tool_call>. The results come back in <tool_response>. Call a function only if it helps.",
  ].join("\n");
}

/** The prompt of a conversation in which tools may be called. */
export async function renderChat(
  { chatTemplate, prompts, engine }: ServedModel,
  messages: readonly ChatMessage[],
  toolUse: ToolUse | null,
): Promise<number[]> {
  const options = { addGenerationPrompt: true, tokenCountMax: engine.info.contextLength };
  if (toolUse === null) return (await prompts.render(messages, options)).ids;
  if (chatTemplate.knowsTools) {
    const tools = toolUse.tools.map(definitionOf);
    return (await prompts.render(messages, { ...options, tools })).ids;
  }
  const [first, ...rest] = messages;
  const text = instructions(toolUse);
  const hasSystem = first.role === "system";
  const system = { role: "system", content: hasSystem ? `${first.content}\n\n${text}` : text };
  return (await prompts.render([system, ...(hasSystem ? rest : messages)], options)).ids;
}
