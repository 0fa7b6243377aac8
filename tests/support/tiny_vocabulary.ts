/** A byte-level BPE vocabulary small enough to work out its ids by hand. */

import type { GgufValue } from "./write_gguf.ts";
import { BYTE_CHARACTERS } from "../../src/tokenizer/byte_level.ts";

/** Control tokens with their ids. */
export const TINY_CONTROL = { "<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2 } as const;

/** Id of byte 0; byte `b` has id `TINY_BYTE_FIRST + b`. */
export const TINY_BYTE_FIRST = 3;

/** Merged tokens in order of merging; the first has id {@link TINY_MERGE_FIRST}. */
export const TINY_MERGES = [
  "h e",
  "l l",
  "he ll",
  "hell o",
  "Ġ w",
  "o r",
  "Ġw or",
  "l d",
  "Ġwor ld",
  "Ġ Ġ",
] as const;

/** Id of the token made by `TINY_MERGES[0]`. */
export const TINY_MERGE_FIRST = TINY_BYTE_FIRST + 256;

/** Tokens of the smallest vocabulary. */
export const TINY_TOKEN_COUNT = TINY_MERGE_FIRST + TINY_MERGES.length;

/** ChatML without a default system message; refuses roles it does not know. */
export const TINY_CHAT_TEMPLATE = [
  "{% for message in messages %}",
  "{% if message['role'] not in ['system', 'user', 'assistant'] %}",
  "{{ raise_exception('Unknown role ' + message['role']) }}",
  "{% endif %}",
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}",
  "{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join("");

/**
 * The `tokenizer.*` keys of a GGUF file.
 *
 * @param vocabSize Tokens in all; those after {@link TINY_TOKEN_COUNT} are unused ones.
 */
export function tinyVocabularyMetadata(
  vocabSize: number = TINY_TOKEN_COUNT,
): Record<string, GgufValue> {
  if (vocabSize < TINY_TOKEN_COUNT) {
    throw new RangeError(`Cannot make ${vocabSize} tokens: there are ${TINY_TOKEN_COUNT}`);
  }
  const controls = Object.keys(TINY_CONTROL);
  const merged = TINY_MERGES.map((merge) => merge.replace(" ", ""));
  const unused = Array.from(
    { length: vocabSize - TINY_TOKEN_COUNT },
    (_, index) => `[unused${index}]`,
  );
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": [...controls, ...BYTE_CHARACTERS, ...merged, ...unused],
    "tokenizer.ggml.token_type": [
      ...controls.map(() => 3),
      ...BYTE_CHARACTERS.map(() => 1),
      ...merged.map(() => 1),
      ...unused.map(() => 5),
    ],
    "tokenizer.ggml.merges": [...TINY_MERGES],
    "tokenizer.ggml.bos_token_id": TINY_CONTROL["<|im_start|>"],
    "tokenizer.ggml.eos_token_id": TINY_CONTROL["<|im_end|>"],
    "tokenizer.ggml.add_bos_token": false,
    "tokenizer.chat_template": TINY_CHAT_TEMPLATE,
  };
}
