/**
 * How a text is cut into words before BPE merges bytes inside them, by the names GGUF files use.
 * Patterns say `\p{White_Space}` and not `\s`, because JavaScript's `\s` takes U+FEFF for white space
 * and U+0085 not.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";

/** What a GGUF pre-tokenizer name stands for. */
export interface PreTokenizerRule {
  /** Applied one after the other; each match, and each text between matches, is a word. */
  readonly patterns: readonly string[];
  /** Whether a word that is a token as a whole is taken without merging. */
  readonly ignoreMerges: boolean;
  /** Whether a prompt begins with BOS unless the file says otherwise. */
  readonly addBos: boolean;
}

const SPACE = String.raw`\p{White_Space}`;
const DIGIT = String.raw`\p{N}`;
const TRAILING_SPACES = String.raw`${SPACE}+(?!\P{White_Space})|${SPACE}+`;

const GPT2 = [
  String.raw`'s|'t|'re|'ve|'m|'ll|'d`,
  String.raw` ?\p{L}+`,
  String.raw` ?\p{N}+`,
  String.raw` ?[^${SPACE}\p{L}\p{N}]+`,
  TRAILING_SPACES,
].join("|");

/** The pattern of Llama 3 and Qwen 2, which differ in how many digits make a word. */
function newerPattern(digits: string): string {
  return [
    String.raw`'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]`,
    String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`,
    digits,
    String.raw` ?[^${SPACE}\p{L}\p{N}]+[\r\n]*`,
    String.raw`${SPACE}*[\r\n]+`,
    TRAILING_SPACES,
  ].join("|");
}

const GPT2_RULE = { patterns: [GPT2], ignoreMerges: false, addBos: false };
const LLAMA3_RULE = {
  patterns: [newerPattern(`${DIGIT}{1,3}`)],
  ignoreMerges: true,
  addBos: true,
};

const RULE_BY_NAME: Readonly<Record<string, PreTokenizerRule>> = {
  "default": GPT2_RULE,
  "gpt-2": GPT2_RULE,
  "smollm": { ...GPT2_RULE, patterns: [DIGIT, GPT2] },
  "llama-bpe": LLAMA3_RULE,
  "llama3": LLAMA3_RULE,
  "qwen2": { patterns: [newerPattern(DIGIT)], ignoreMerges: false, addBos: false },
};

/**
 * The rule of the pre-tokenizer `name` (metadata key `tokenizer.ggml.pre`).
 *
 * @throws {EngineError} `model_unsupported` naming it if there is none.
 */
export function preTokenizerRule(name: string): PreTokenizerRule {
  if (Object.hasOwn(RULE_BY_NAME, name)) return RULE_BY_NAME[name];
  const known = Object.keys(RULE_BY_NAME).join(", ");
  throw new EngineError(
    "model_unsupported",
    `Cannot tokenize for this model: its pre-tokenizer is "${name}"; supported: ${known}`,
  );
}
