/**
 * How a text is cut into words before BPE merges bytes inside them, by the names GGUF files use.
 * Patterns are Oniguruma's, as models publish them: the library translates them, so `\s` is Unicode
 * white space and not JavaScript's.
 *
 * @module
 */

import { quote } from "../core/quote.ts";

/** What a GGUF pre-tokenizer name stands for. */
export interface PreTokenizerRule {
  /** Applied one after the other; each match, and each text between matches, is a word. */
  readonly patterns: readonly string[];
  /** Whether a word that is a token as a whole is taken without merging. */
  readonly ignoreMerges: boolean;
  /** Whether a prompt begins with BOS unless the file says otherwise. */
  readonly addBos: boolean;
}

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+` +
  String.raw`|\s+(?!\S)|\s+`;

/** The pattern of Llama 3 and Qwen 2, which differ in how many digits make a word. */
function newerPattern(digits: string): string {
  return String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}` +
    String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
}

const GPT2_RULE = { patterns: [GPT2], ignoreMerges: false, addBos: false };
const LLAMA3_RULE = {
  patterns: [newerPattern(String.raw`\p{N}{1,3}`)],
  ignoreMerges: true,
  addBos: true,
};

const RULE_BY_NAME: Readonly<Record<string, PreTokenizerRule>> = {
  "default": GPT2_RULE,
  "gpt-2": GPT2_RULE,
  "smollm": { ...GPT2_RULE, patterns: [String.raw`\p{N}`, GPT2] },
  "llama-bpe": LLAMA3_RULE,
  "llama3": LLAMA3_RULE,
  "qwen2": { patterns: [newerPattern(String.raw`\p{N}`)], ignoreMerges: false, addBos: false },
};

/** A rule, and what to say of it. */
export interface ChosenRule {
  rule: PreTokenizerRule;
  /** What is used in place of what; null if the file names a rule that is known. */
  warning: string | null;
}

/**
 * The rule of the pre-tokenizer `name` (metadata key `tokenizer.ggml.pre`; null if it is missing).
 * GPT-2's stands for one that is not known: tokens stay valid, but words may be cut elsewhere than
 * in training.
 */
export function preTokenizerRule(name: string | null): ChosenRule {
  if (name !== null && Object.hasOwn(RULE_BY_NAME, name)) {
    return { rule: RULE_BY_NAME[name], warning: null };
  }
  const known = Object.keys(RULE_BY_NAME).join(", ");
  const state = name === null
    ? "The model file names no pre-tokenizer"
    : `The model's pre-tokenizer ${quote(name)} is not known (known: ${known})`;
  return { rule: GPT2_RULE, warning: `${state}: gpt-2's is used, answers may be worse for it` };
}
