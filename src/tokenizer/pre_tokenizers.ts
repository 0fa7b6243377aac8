/**
 * How a text is cut into words before BPE merges bytes inside them, by the names GGUF files use.
 * The library translates patterns, so `\s` is Unicode white space and not JavaScript's.
 *
 * @module
 */

import { quote } from "../core/quote.ts";
import {
  DEEPSEEK3,
  DEEPSEEK_LLM,
  GPT2,
  GPT4O,
  HAN_HANGUL,
  HAN_KANA,
  KIMI_K2,
  modern,
  QWEN35,
  TEKKEN,
} from "./pre_tokenizer_patterns.ts";

/** What a GGUF pre-tokenizer name stands for. */
export interface PreTokenizerRule {
  /** Applied one after the other; each match, and each text between matches, is a word. */
  readonly patterns: readonly string[];
  /** Whether a word that is a token as a whole is taken without merging. */
  readonly ignoreMerges: boolean;
  /** Whether a prompt begins with BOS unless the file says otherwise. */
  readonly addBos: boolean;
}

const raw = String.raw;
const rule = (...patterns: readonly string[]): PreTokenizerRule => {
  return { patterns, ignoreMerges: false, addBos: false };
};
const THREE_DIGITS = raw`\p{N}{1,3}`;

const GPT2_RULE = rule(GPT2);
const ONE_DIGIT_RULE = rule(raw`\p{N}`, GPT2);
const LLAMA3_RULE = { ...rule(modern(THREE_DIGITS)), ignoreMerges: true, addBos: true };
const QWEN2_RULE = rule(modern(raw`\p{N}`));
const GPT4O_RULE = rule(GPT4O);
const DEEPSEEK3_RULE = rule(THREE_DIGITS, HAN_KANA, DEEPSEEK3);
const GLM4_RULE = { ...rule(modern(THREE_DIGITS)), ignoreMerges: true };
const BLOOM = raw` ?[^(\s|.,!?\u{2026}\u{3002}\u{ff0c}\u{3001}\u{964}\u{6d4}\u{60c})]+`;
const BAILING_RULE = rule(
  raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*` +
    raw`|\s*[\r\n]|\s+(?!\S)|\s+`,
);

/** Names by rule. */
const RULES: readonly (readonly [PreTokenizerRule, string])[] = [
  [
    GPT2_RULE,
    "gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat a.x-4.0 mellum exaone4",
  ],
  [ONE_DIGIT_RULE, "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2"],
  [LLAMA3_RULE, "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2"],
  [rule(modern(THREE_DIGITS)), "dbrx smaug-bpe chatglm-bpe"],
  [GLM4_RULE, "glm4 glm5"],
  [
    QWEN2_RULE,
    "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2",
  ],
  [rule(QWEN35), "qwen35"],
  [GPT4O_RULE, "gpt-4o llama4 kanana2 talkie minimax-m2"],
  [{ ...rule(TEKKEN), ignoreMerges: true, addBos: true }, "tekken"],
  [rule(KIMI_K2), "kimi-k2"],
  [rule(...DEEPSEEK_LLM), "deepseek-llm"],
  [
    rule(raw`[\r\n]`, raw`\s?\p{L}+`, raw`\s?\p{P}+`, HAN_HANGUL, raw`\p{N}`),
    "deepseek-coder",
  ],
  [DEEPSEEK3_RULE, "deepseek-v3 hunyuan-dense joyai-llm hy_v4"],
  [rule(raw`[\p{P}\$\+<=>\^~\|${"`"}]+`, GPT2, raw`[0-9][0-9][0-9]`), "falcon"],
  [rule(BLOOM), "bloom poro-chat gpt3-finnish"],
  [rule(BLOOM, raw`\p{N}`), "viking"],
  [rule(raw`[^\n]+|[\n]+`, modern(raw`\p{N}`)), "laguna"],
  [
    rule(
      raw`\d{1,3}(?=(?:\d{3})*\b)`,
      GPT4O,
    ),
    "tiny_aya cohere2moe",
  ],
  [{ ...rule(THREE_DIGITS, modern(raw`\p{N}+`)), ignoreMerges: true }, "minicpm5"],
  [BAILING_RULE, "bailingmoe bailingmoe2 llada-moe"],
  [
    rule(modern(raw`\p{N}`).replace(raw` ?[^\s\p{L}\p{N}]+[\r\n]*`, raw` ?[^\s\p{L}\p{N}\r\n]+`)),
    "seed-coder",
  ],
  [
    rule(raw`[\p{P}\$\+<=>\^~\|]+`, GPT2, raw`\p{N}+`, raw`[0-9][0-9][0-9]`),
    "default",
  ],
];

const RULE_BY_NAME: ReadonlyMap<string, PreTokenizerRule> = new Map(
  RULES.flatMap(([each, names]) => names.split(" ").map((name) => [name, each] as const)),
);

/** What cuts the texts of vocabularies that mark spaces with `▁`, which need no words. */
export const LINES_RULE = rule(raw`[^\n]+|[\n]+`);

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
  const found = name === null ? undefined : RULE_BY_NAME.get(name);
  if (found !== undefined) return { rule: found, warning: null };
  const known = [...RULE_BY_NAME.keys()].join(", ");
  const state = name === null
    ? "The model file names no pre-tokenizer"
    : `The model's pre-tokenizer ${quote(name)} is not known (known: ${known})`;
  return { rule: GPT2_RULE, warning: `${state}: gpt-2's is used, answers may be worse for it` };
}
