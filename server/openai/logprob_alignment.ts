/**
 * Logprob alignment: which tokens belong to a piece of text. Log-probabilities wait until the text
 * of their token is sent, and are cut where it is.
 *
 * @module
 */

import type { TokenLogprob, TokenLogprobs } from "../../src/engine/types.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";

/** A token of an answer; the texts of all, put together, are the answer's text. */
export interface AnswerToken {
  id: number;
  /** Empty for a token that ends within a code point, whose text comes with the next. */
  text: string;
  bytes: readonly number[];
  /** Null for the first token of a prompt. */
  logprobs: TokenLogprobs | null;
}

/** Tokens whose text is not sent yet. */
export class LogprobAligner {
  readonly #tokenizer: Tokenizer;
  readonly #isText: (id: number) => boolean;
  readonly #waiting: AnswerToken[] = [];
  /** Characters already sent of the first waiting token. */
  #takenLength = 0;

  /** @param options `isText`: whether a token is text; others have none. */
  constructor(tokenizer: Tokenizer, { isText }: { isText: (id: number) => boolean }) {
    this.#tokenizer = tokenizer;
    this.#isText = isText;
  }

  /** Adds a token; `text` is what it completes. */
  push(logprobs: TokenLogprobs, text: string): void {
    const bytes = this.#isText(logprobs.id) ? [...this.#tokenizer.tokenBytes(logprobs.id)] : [];
    this.#waiting.push({ id: logprobs.id, text, bytes, logprobs });
  }

  /** Adds text to the last token: what is left of an incomplete code point. */
  extend(text: string): void {
    const last = this.#waiting.at(-1);
    if (last) last.text += text;
  }

  /** Tokens whose text ends within the next `length` characters. */
  take(length: number): AnswerToken[] {
    this.#takenLength += length;
    const taken: AnswerToken[] = [];
    while (this.#waiting.length > 0 && this.#waiting[0].text.length <= this.#takenLength) {
      const token = this.#waiting.shift()!;
      this.#takenLength -= token.text.length;
      taken.push(token);
    }
    return taken;
  }

  /** The token in which the text is cut, if it is cut within one. */
  cut(): AnswerToken[] {
    const [token] = this.#waiting;
    if (token === undefined || this.#takenLength === 0) return [];
    return [{ ...token, text: token.text.slice(0, this.#takenLength) }];
  }
}

/** Tokens of a prompt; the first one has no log-probability. */
export function promptTokens(
  tokenizer: Tokenizer,
  promptIds: readonly number[],
  logprobs: readonly TokenLogprobs[],
): AnswerToken[] {
  const detokenizer = new StreamDetokenizer(tokenizer, { showControl: true });
  const tokens = promptIds.map((id, index) => ({
    id,
    text: detokenizer.push(id),
    bytes: [...tokenizer.tokenBytes(id)],
    logprobs: index === 0 ? null : logprobs[index - 1],
  }));
  tokens[tokens.length - 1].text += detokenizer.flush();
  return tokens;
}

/** How reports name tokens. */
export interface TokenNaming {
  tokenizer: Tokenizer;
  /** As `token_id:N`, where vLLM's `return_tokens_as_token_ids` asks for it; else as text. */
  byId: boolean;
}

/** How a token is written: one that is no text of its own by its bytes. */
function nameOf({ tokenizer, byId }: TokenNaming, id: number): string {
  if (byId) return idName(id);
  const text = tokenizer.detokenize([id]);
  if (!text.includes("\ufffd")) return text;
  const hex = [...tokenizer.tokenBytes(id)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `bytes:${hex.map((digits) => `\\x${digits}`).join("")}`;
}

function idName(id: number): string {
  return `token_id:${id}`;
}

/** `logprobs` of chat completions; `bytes` are those of the text, however tokens are named. */
export function toChatLogprobs(
  naming: TokenNaming,
  tokens: readonly AnswerToken[],
): { content: object[]; refusal: null } {
  const alternative = ({ id, logprob }: TokenLogprob) => ({
    token: nameOf(naming, id),
    logprob,
    bytes: [...naming.tokenizer.tokenBytes(id)],
  });
  const content = tokens.map(({ id, text, bytes, logprobs }) => ({
    token: naming.byId ? idName(id) : text,
    logprob: logprobs?.logprob ?? 0,
    bytes,
    top_logprobs: (logprobs?.top ?? []).map(alternative),
  }));
  return { content, refusal: null };
}

/**
 * `logprobs` of plain completions; `text_offset` counts characters of the text, however tokens are
 * named.
 *
 * @param offset Characters of the choice before the first of `tokens`.
 */
export function toCompletionLogprobs(
  naming: TokenNaming,
  tokens: readonly AnswerToken[],
  offset: number,
): object {
  let end = offset;
  const text_offset = tokens.map(({ text }) => (end += text.length) - text.length);
  const topOf = ({ logprobs }: AnswerToken) =>
    logprobs && Object.fromEntries(
      logprobs.top.map(({ id, logprob }) => [nameOf(naming, id), logprob]),
    );
  return {
    tokens: tokens.map(({ id, text }) => naming.byId ? idName(id) : text),
    token_logprobs: tokens.map(({ logprobs }) => logprobs?.logprob ?? null),
    top_logprobs: tokens.map(topOf),
    text_offset,
  };
}
