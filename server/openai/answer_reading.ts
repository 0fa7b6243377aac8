/**
 * How an answer is read, and what it must be, for the model that gives it.
 *
 * @module
 */

import type { GrammarSpec } from "../../src/engine/types.ts";
import { callGrammar, formFor } from "../reading/call_grammar.ts";
import { endsInReasoning, type ReasoningForm } from "../reading/reasoning_forms.ts";
import { traitsOf } from "../reading/template_traits.ts";
import type { ServedModel } from "../state.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import type { ReasoningLimit } from "./schema_lengths.ts";
import type { Structure } from "./structured.ts";
import { notSupported } from "./unsupported.ts";

/** The part of a generation that says what its text is. */
export type AnswerReading = Pick<
  GenerationSpec,
  "grammar" | "grammarParam" | "reading" | "reasoningTokenCountMax"
>;

/** Of an answer that is nothing but text. */
export const PLAIN_TEXT = { reading: null, reasoningTokenCountMax: null };

/** The thoughts that a grammar lets come first. */
function thoughtsOf(form: ReasoningForm | null, isBegun: boolean): GrammarSpec["reasoning"] {
  return form && { open: isBegun ? null : form.open, close: form.close };
}

/**
 * What an answer to a conversation is.
 *
 * @param prompt The text of the conversation.
 * @throws {ApiError} 400 for a limit of thoughts that the model does not have.
 */
export function answerReading(
  { chatTemplate }: ServedModel,
  { format, toolUse, param }: Structure,
  { prompt, reasoningLimit }: { prompt: string; reasoningLimit: ReasoningLimit | null },
): AnswerReading {
  const traits = traitsOf(chatTemplate);
  const { reasoning, idLength } = traits;
  if (reasoning === null && reasoningLimit?.param) {
    throw notSupported(reasoningLimit.param, "the model's chat template knows no thoughts");
  }
  const beginsInReasoning = reasoning !== null && endsInReasoning(prompt, reasoning);
  const calls = toolUse && formFor(traits.calls, toolUse, format);
  const grammar: GrammarSpec | null = toolUse && calls
    ? callGrammar(calls, toolUse, { ...traits, prompt, otherwise: format })
    : format;
  const functions = toolUse?.tools ?? [];
  // Text that may be anything up to a call may hold thoughts too.
  const isText = grammar?.type === "messages" || (grammar?.type === "tags" && grammar.trigger);
  const hasThoughts = grammar !== null && !isText;
  const thoughts = hasThoughts ? thoughtsOf(reasoning, beginsInReasoning) : null;
  return {
    grammar: grammar && thoughts ? { ...grammar, reasoning: thoughts } : grammar,
    grammarParam: param,
    reading: { calls, functions, reasoning, beginsInReasoning, idLength },
    reasoningTokenCountMax: reasoningLimit?.tokenCountMax ?? null,
  };
}
