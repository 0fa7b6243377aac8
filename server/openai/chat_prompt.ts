/**
 * From a conversation to a prompt. A template that knows tools is given them; for any other they
 * are described in the system message. Calls and their results are written in the form both use.
 *
 * @module
 */

import type { ChatMessage, ChatTemplate } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { CALL_END, CALL_START, callBegin, type Tool, type ToolUse } from "./structured.ts";
import { notSupported } from "./unsupported.ts";

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

/** A variable for the template. */
export interface TemplateVariable {
  /** The field it came from. */
  param: string;
  name: string;
  value: unknown;
}

/** A conversation, and how it becomes a prompt. */
export interface Conversation {
  messages: readonly ChatMessage[];
  /** Tools that the prompt describes; null for none. */
  toolUse: ToolUse | null;
  /** Whether the prompt ends where an answer begins. */
  addGenerationPrompt: boolean;
  /** Whether the prompt ends within the last message. */
  continuesFinal: boolean;
  variables: readonly TemplateVariable[];
}

/** Variables that a template always has, or that another field sets. */
const TAKEN = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"];

/** Whether a template treats a value like a variable it is not given. */
function isNothing(value: unknown): boolean {
  if (!value) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * The variables by name.
 *
 * @throws {ApiError} 400 for one that the template does not read, unless it means nothing.
 */
function checkVariables(
  template: ChatTemplate,
  variables: readonly TemplateVariable[],
): Record<string, unknown> {
  const entries = variables.flatMap(({ param, name, value }): [string, unknown][] => {
    if (TAKEN.includes(name)) throw notSupported(param, "a field of its own says so");
    if (template.reads(name)) return [[name, value]];
    // OpenAI's word for an answer without thoughts; templates have another.
    if (name === "reasoning_effort" && value === "none") {
      return template.reads("enable_thinking") ? [["enable_thinking", false]] : [];
    }
    if (isNothing(value)) return [];
    throw notSupported(param, `the model's chat template does not read ${name}`);
  });
  return Object.fromEntries(entries);
}

/**
 * The prompt of a conversation.
 *
 * @param tokenCountMax Refuses a long conversation that is sure to take more tokens.
 * @throws {ApiError} 400 for variables that the template does not read.
 * @throws {EngineError} `invalid_request` if the template refuses the messages,
 * `context_length_exceeded` if they take more than `tokenCountMax`.
 */
export async function renderChat(
  { chatTemplate, prompts }: ServedModel,
  { messages, toolUse, addGenerationPrompt, continuesFinal, variables }: Conversation,
  tokenCountMax = Infinity,
): Promise<{ ids: number[]; text: string }> {
  const given = checkVariables(chatTemplate, variables);
  const options = { addGenerationPrompt, continuesFinal, variables: given, tokenCountMax };
  if (toolUse === null) return await prompts.render(messages, options);
  if (chatTemplate.knowsTools) {
    const tools = toolUse.tools.map(definitionOf);
    return await prompts.render(messages, { ...options, tools });
  }
  const [first, ...rest] = messages;
  const text = instructions(toolUse);
  const hasSystem = first.role === "system";
  const system = { role: "system", content: hasSystem ? `${first.content}\n\n${text}` : text };
  return await prompts.render([system, ...(hasSystem ? rest : messages)], options);
}
