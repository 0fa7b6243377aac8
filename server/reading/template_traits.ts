/**
 * What a chat template can do, found out by asking it.
 *
 * @module
 */

import type { ChatMessage, ChatTemplate } from "../../src/tokenizer/types.ts";
import type { CallForm } from "./call_form.ts";
import { callFormOf, HERMES } from "./call_forms.ts";
import { type ReasoningForm, reasoningFormOf } from "./reasoning_forms.ts";

/** What is known of a template. */
export interface TemplateTraits {
  /** Whether it describes tools to the model, in a form that is known. */
  knowsTools: boolean;
  /** How it wants arguments of earlier calls; null if it leaves calls or results out. */
  pastArguments: "object" | "text" | null;
  /** Whether an answer has one call at most. */
  isSingleCall: boolean;
  /** The form in which the model writes calls. */
  calls: CallForm;
  reasoning: ReasoningForm | null;
  /** Characters of ids of calls that it insists on; null for any. */
  idLength: number | null;
}

const PROBE = { name: "probe_function", key: "probe_key", value: "probe value" };

const TOOLS = [{
  type: "function",
  function: {
    name: PROBE.name,
    description: "A probe",
    parameters: { type: "object", properties: { x: { type: "string", description: "A probe" } } },
  },
}];

const USER: ChatMessage = { role: "user", content: "hi" };

function textOf(template: ChatTemplate, messages: ChatMessage[]): string {
  try {
    return template.render(messages, { addGenerationPrompt: true, tools: TOOLS }).text;
  } catch {
    return "";
  }
}

function pastCalls(count: number, args: "object" | "text"): ChatMessage[] {
  const object = { [PROBE.key]: PROBE.value };
  const ids = Array.from({ length: count }, (_, index) => `callprob${index}`);
  const calls = ids.map((id) => ({
    id,
    type: "function",
    function: {
      name: PROBE.name,
      arguments: args === "object" ? object : JSON.stringify(object),
    },
  }));
  const results = ids.map((id, index): ChatMessage => ({
    role: "tool",
    content: `probe result ${index}`,
    extra: { tool_call_id: id, name: PROBE.name },
  }));
  return [USER, { role: "assistant", content: "", extra: { tool_calls: calls } }, ...results];
}

/** Whether the template writes that many earlier calls, and their results. */
function writesCalls(template: ChatTemplate, count: number, args: "object" | "text"): boolean {
  const text = textOf(template, pastCalls(count, args));
  return text.split(PROBE.key).length > count && text.includes(`probe result ${count - 1}`);
}

function findTraits(template: ChatTemplate): TemplateTraits {
  const { source } = template;
  const form = callFormOf(source);
  const knowsTools = form !== null && textOf(template, [USER]).includes(PROBE.name);
  const styles = ["object", "text"] as const;
  const pastArguments = knowsTools
    ? styles.find((args) => writesCalls(template, 1, args)) ?? null
    : null;
  return {
    knowsTools,
    pastArguments,
    isSingleCall: pastArguments !== null && !writesCalls(template, 2, pastArguments),
    calls: knowsTools ? form : HERMES,
    reasoning: reasoningFormOf(source),
    idLength: /length\s*!=\s*9/.test(source) ? 9 : null,
  };
}

const known = new WeakMap<ChatTemplate, TemplateTraits>();

/** What a template can do; asked once. */
export function traitsOf(template: ChatTemplate): TemplateTraits {
  let traits = known.get(template);
  if (traits === undefined) {
    traits = findTraits(template);
    known.set(template, traits);
  }
  return traits;
}
