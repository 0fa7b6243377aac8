/**
 * Texts that cannot fit are refused by their length alone: tokenizing ten megabytes first would
 * take a gigabyte.
 *
 * @module
 */

import type { ChatMessage, Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { ContextLengthError } from "./errors.ts";

/** Shorter texts are always tokenized, so that the error can state their exact number. */
const LENGTH_MIN = 2 ** 19;

const longestByTokenizer = new WeakMap<Tokenizer, number>();

/** Bytes of the longest token that is text. */
function longestTokenBytes(tokenizer: Tokenizer): number {
  const known = longestByTokenizer.get(tokenizer);
  if (known !== undefined) return known;
  let longest = 1;
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (!tokenizer.isControl(id)) longest = Math.max(longest, tokenizer.tokenBytes(id).length);
  }
  longestByTokenizer.set(tokenizer, longest);
  return longest;
}

/** The same for all messages of a conversation together. */
export function checkChatLength(
  model: ServedModel,
  messages: readonly ChatMessage[],
  param: string,
): void {
  const lengthOf = ({ content }: ChatMessage) =>
    typeof content === "string"
      ? content.length
      : content.reduce((sum, { text }) => sum + text.length, 0);
  checkTextLength(model, messages.reduce((sum, each) => sum + lengthOf(each), 0), param);
}

/**
 * Refuses a text of more characters than the context's tokens have bytes.
 *
 * @param length UTF-16 units, of which each is a byte or more.
 * @param param The field the text came in.
 * @throws {ContextLengthError} 400 `context_length_exceeded`.
 */
export function checkTextLength(model: ServedModel, length: number, param: string): void {
  if (length < LENGTH_MIN) return;
  const { contextLength } = model.engine.info;
  const leastCount = Math.ceil(length / longestTokenBytes(model.tokenizer));
  if (leastCount <= contextLength) return;
  const message = `Cannot serve a text of ${length} characters, which are at least ${leastCount} ` +
    `tokens: this model's maximum context length is ${contextLength} tokens`;
  throw new ContextLengthError(message, param, { promptTokenCount: leastCount, contextLength });
}
