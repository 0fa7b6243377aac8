/**
 * What a chat template can do, found out by asking it.
 *
 * @module
 */

import type { ChatMessage, ChatTemplate } from "../../src/tokenizer/types.ts";
import type { CallForm } from "./call_form.ts";
import { hasPattern } from "./call_grammar.ts";
import { callFormOf, HERMES } from "./call_forms.ts";
import { type ReasoningForm, reasoningFormOf } from "./reasoning_forms.ts";

/** What is known of a template. */
export interface TemplateTraits {
  /** Whether it describes tools to the model, in a form that is known. */
  describesTools: boolean;
  /** How it wants arguments of earlier calls; null if it leaves calls or results out. */
  pastArguments: "object" | "text" | null;
  /** Whether it writes results of calls, also if it leaves the calls out. */
  writesResults: boolean;
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

/** Ways of giving tools to a template: as all do, or none at all. */
type Tools = readonly Record<string, unknown>[] | null;

function textOf(template: ChatTemplate, messages: ChatMessage[], tools: Tools): string {
  try {
    const given = toolOptions(template, tools);
    return template.render(messages, { addGenerationPrompt: true, ...given }).text;
  } catch {
    return "";
  }
}

/**
 * Tools as a template wants them: one family reads their JSON text out of a variable, which it
 * always needs, beside the date.
 */
export function toolOptions(
  { source }: ChatTemplate,
  tools: Tools,
): { tools?: readonly Record<string, unknown>[]; variables?: Record<string, unknown> } {
  if (callFormOf(source)?.name !== "firefunction") return tools === null ? {} : { tools };
  const functions = (tools ?? []).map(({ function: described }) => described);
  const datetime = new Date().toISOString().slice(0, 10);
  return { variables: { functions: JSON.stringify(functions, null, 4), datetime } };
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
function writesCalls(
  template: ChatTemplate,
  { count, args, tools }: { count: number; args: "object" | "text"; tools: Tools },
): boolean {
  const text = textOf(template, pastCalls(count, args), tools);
  return text.split(PROBE.key).length > count && text.includes(`probe result ${count - 1}`);
}

function findTraits(template: ChatTemplate): TemplateTraits {
  const { source } = template;
  const form = callFormOf(source);
  const describesTools = form !== null && textOf(template, [USER], TOOLS).includes(PROBE.name);
  // A form that nothing describes is described here, if that can be done.
  const isUsed = form !== null && (describesTools || hasPattern(form));
  const tools = describesTools ? TOOLS : null;
  const styles = ["object", "text"] as const;
  const pastArguments = isUsed
    ? styles.find((args) => writesCalls(template, { count: 1, args, tools })) ?? null
    : null;
  const isSingleCall = pastArguments !== null &&
    !writesCalls(template, { count: 2, args: pastArguments, tools });
  return {
    describesTools,
    pastArguments,
    writesResults: isUsed &&
      textOf(template, pastCalls(1, "object"), tools).includes("probe result 0"),
    isSingleCall,
    calls: isUsed ? form : HERMES,
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
