/**
 * Ids of tokens that begin and end sequences.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";

/** -1 in the 32 bits of an id: what converters write for a token that a model does not have. */
const NO_ID = 2 ** 32 - 1;

/** Control tokens that end an answer in the chat formats of common models. */
const END_NAMES = [
  "<|endoftext|>",
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<end_of_turn>",
  "<turn|>",
  "<|end_of_text|>",
  "<|END_OF_TURN_TOKEN|>",
  "<end_of_utterance>",
  "[EOT]",
  "[e~[",
];

/**
 * An id of the file; null if the model does not have such a token.
 *
 * @param name Such as `bos_token_id`.
 * @throws {EngineError} `model_file_invalid` if it is none of the vocabulary.
 */
export function readId(metadata: GgufMetadata, name: string, tokenCount: number): number | null {
  const key = `tokenizer.ggml.${name}`;
  const id = metadata.getNumber(key, null);
  if (id === null || id === NO_ID || id === -1) return null;
  if (Number.isInteger(id) && id >= 0 && (id < tokenCount || tokenCount === 0)) return id;
  throw new EngineError(
    "model_file_invalid",
    `Cannot read the vocabulary: "${key}" is ${id}, but there are ${tokenCount} tokens`,
  );
}

/** Ids that end a generation. */
export function readEndIds(
  metadata: GgufMetadata,
  controlIds: ReadonlyMap<string, number>,
  tokenCount: number,
): number[] {
  // In OpenAI's harmony format, `<|end|>` ends a message and not the answer.
  const isHarmony = controlIds.has("<|return|>") && controlIds.has("<|call|>");
  const names = END_NAMES.filter((name) => !(isHarmony && name === "<|end|>"));
  const ids = [
    readId(metadata, "eos_token_id", tokenCount),
    readId(metadata, "eot_token_id", tokenCount),
    readId(metadata, "eom_token_id", tokenCount),
    ...names.map((name) => controlIds.get(name) ?? null),
  ];
  return [...new Set(ids.filter((id) => id !== null))];
}
