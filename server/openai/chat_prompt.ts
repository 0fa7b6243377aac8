/**
 * From a conversation to a prompt. A template that describes tools is given them; for any other
 * they are described in the system message, in the form in which it writes calls, if it does.
 *
 * @module
 */

import type { ChatTemplate, RenderedPrompt } from "../../src/tokenizer/types.ts";
import { writeCalls } from "../reading/call_grammar.ts";
import { HERMES } from "../reading/call_forms.ts";
import { type TemplateTraits, toolOptions, traitsOf } from "../reading/template_traits.ts";
import type { ServedModel } from "../state.ts";
import { type Message, toTemplateMessages } from "./past_messages.ts";
import type { Tool, ToolUse } from "./structured.ts";
import { notSupported } from "./unsupported.ts";

function definitionOf({ name, description, parameters }: Tool): Record<string, unknown> {
  return { type: "function", function: { name, description, parameters } };
}

function instructions(toolUse: ToolUse, { calls: form, writesResults }: TemplateTraits): string {
  const lines = toolUse.tools.map((tool) => JSON.stringify(definitionOf(tool)));
  const example = { id: "ID", name: "NAME", arguments: '{"KEY": "VALUE"}' };
  const how = form === HERMES
    ? [
      `To call one, write <tool_call>, a line with a JSON object of "name" and "arguments", and`,
      "</tool_call>. The results come back in <tool_response>. Call a function only if it helps.",
    ]
    : [
      "To call one, write this, with its name and its arguments:",
      writeCalls(form, [example]),
      `The results come back${
        writesResults ? "" : " in <tool_response>"
      }. Call a function only if ` +
      "it helps.",
    ];
  return ["You can call these functions, one JSON object a line:", ...lines, ...how].join("\n");
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
  messages: readonly Message[];
  /** Tools that the prompt describes; null for none. */
  toolUse: ToolUse | null;
  /** Whether the prompt ends where an answer begins. */
  addGenerationPrompt: boolean;
  /** Whether the prompt ends within the last message. */
  continuesFinal: boolean;
  variables: readonly TemplateVariable[];
  /** Variables without effect where the template does not read them. */
  hints?: readonly TemplateVariable[];
}

/** Variables that a template always has, or that another field sets. */
const TAKEN = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"];

/** Names of a switch for thoughts. */
const SWITCHES = ["enable_thinking", "thinking"];

/** Whether a template reads a variable, or has a switch for it. */
function isRead(template: ChatTemplate, { name, value }: TemplateVariable): boolean {
  const isSwitch = name === "enable_thinking" || (name === "reasoning_effort" && value === "none");
  return template.reads(name) || (isSwitch && SWITCHES.some((each) => template.reads(each)));
}

/** Which hints have no effect with a template, in words. */
export function unreadHints(
  template: ChatTemplate,
  hints: readonly TemplateVariable[] = [],
): string[] {
  const asked = hints.filter(({ value }) => value !== false && value !== "none");
  return asked.filter((hint) => !isRead(template, hint)).map(({ param }) => {
    return `${param} has no effect: the model's chat template does not read it`;
  });
}

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
    // Words of interfaces for what templates have a switch for.
    const isOff = name === "reasoning_effort" && value === "none";
    if (isOff || name === "enable_thinking") {
      const known = SWITCHES.find((each) => template.reads(each));
      if (known !== undefined) return [[known, !isOff && value]];
      if (isOff) return [];
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
  { messages, toolUse, addGenerationPrompt, continuesFinal, variables, hints = [] }: Conversation,
  tokenCountMax = Infinity,
): Promise<RenderedPrompt> {
  const read = hints.filter((hint) => isRead(chatTemplate, hint));
  const given = checkVariables(chatTemplate, [...variables, ...read]);
  const traits = traitsOf(chatTemplate);
  const isDescribed = toolUse !== null && traits.describesTools;
  const described = isDescribed ? toolUse.tools.map(definitionOf) : null;
  const { variables: more = {}, ...tools } = toolOptions(chatTemplate, described);
  const lengths = { continuesFinal, tokenCountMax };
  const options = { addGenerationPrompt, ...lengths, variables: { ...more, ...given }, ...tools };
  const written = toTemplateMessages(messages, chatTemplate);
  if (toolUse === null || isDescribed) return await prompts.render(written, options);
  const [first, ...rest] = written;
  const text = instructions(toolUse, traits);
  const hasSystem = first.role === "system";
  const system = { role: "system", content: hasSystem ? `${first.content}\n\n${text}` : text };
  return await prompts.render([system, ...(hasSystem ? rest : written)], options);
}
