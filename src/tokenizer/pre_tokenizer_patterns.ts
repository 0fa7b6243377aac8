/**
 * Patterns that cut texts into words, as models publish them in Oniguruma's form.
 *
 * @module
 */

const raw = String.raw;

/** GPT-2. */
export const GPT2 = raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+` +
  raw`|\s+(?!\S)|\s+`;

/** Endings of English words, in any case. */
const ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
/** A letter or mark of upper, or of lower case; those without case are both. */
const UPPER = raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;

/** Llama 3, Qwen 2 and their kin, which differ in how many digits make a word. */
export function modern(digits: string): string {
  return raw`${ENDINGS}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|${SPACES}`;
}

/** Qwen 3.5: marks belong to words. */
export const QWEN35 = raw`${ENDINGS}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}` +
  raw`| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${SPACES}`;

/** A word ends before an upper-case letter behind a lower-case one: o200k and tekken. */
function cased(
  digits: string,
  ending: string,
  { upper = UPPER, lower = LOWER, afterSigns = raw`[\r\n/]*` } = {},
): string {
  return raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+${ending}` +
    raw`|[^\r\n\p{L}\p{N}]?${upper}+${lower}*${ending}` +
    raw`|${digits}| ?[^\s\p{L}\p{N}]+${afterSigns}|${SPACES}`;
}

/** GPT-4o (o200k). */
export const GPT4O = cased(raw`\p{N}{1,3}`, `${ENDINGS}?`);

/** Mistral's tekken. */
export const TEKKEN = cased(raw`\p{N}`, "");

/** Kimi K2: o200k with Han apart. */
export const KIMI_K2 = raw`\p{Han}+|` + cased(raw`\p{N}{1,3}`, `${ENDINGS}?`, {
  upper: raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`,
  lower: raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`,
  afterSigns: raw`[\r\n]*`,
});

/** Han and kana, as DeepSeek names them. */
export const HAN_KANA = raw`[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+`;
const ASCII_SIGN = raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${"`"}{|}~]`;

/** DeepSeek 3. */
export const DEEPSEEK3 = raw`${ASCII_SIGN}[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+` +
  raw`| ?[\p{P}\p{S}]+[\r\n]*|${SPACES}`;

/** Han and Hangul, as DeepSeek's first models name them. */
export const HAN_HANGUL = raw`[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+`;

/** Letters with a case that DeepSeek LLM names. */
const CASED_LETTERS = raw`A-Za-z` +
  String.raw`\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}` +
  String.raw`\u{295}-\u{2af}\u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}` +
  String.raw`\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}\u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}` +
  String.raw`\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}\u{13f8}-\u{13fd}\u{1c90}-\u{1cba}` +
  String.raw`\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}` +
  String.raw`\u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}` +
  String.raw`\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}` +
  String.raw`\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}\u{1fd0}-\u{1fd3}` +
  String.raw`\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}` +
  String.raw`\u{210a}-\u{2113}\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}` +
  String.raw`\u{212f}-\u{2134}\u{2139}\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}` +
  String.raw`\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}\u{a640}-\u{a66d}` +
  String.raw`\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\u{a78b}-\u{a78e}` +
  String.raw`\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}` +
  String.raw`\u{ff41}-\u{ff5a}\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}` +
  String.raw`\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}`;

/** DeepSeek LLM, in order. */
export const DEEPSEEK_LLM: readonly string[] = [
  raw`[\r\n]`,
  raw`\s?[${CASED_LETTERS}]+`,
  raw`\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+`,
  raw`\s+$`,
  HAN_HANGUL,
  raw`\p{N}+`,
];
