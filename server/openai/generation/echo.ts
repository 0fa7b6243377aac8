/**
 * The prompt as the first text of an answer.
 *
 * @module
 */

import type { TokenLogprobs } from "../../../src/engine/types.ts";
import type { Tokenizer } from "../../../src/tokenizer/types.ts";
import { promptTokens } from "../logprob_alignment.ts";
import type { GenerationPiece } from "./pieces.ts";
import type { GenerationSpec } from "./spec.ts";

/** The echoed prompt and its log-probabilities, once all are known. */
export class Echo {
  readonly #spec: GenerationSpec;
  readonly #tokenizer: Tokenizer;
  readonly #logprobs: TokenLogprobs[] = [];
  #isGiven = false;

  constructor(spec: GenerationSpec, tokenizer: Tokenizer) {
    this.#spec = spec;
    this.#tokenizer = tokenizer;
  }

  /** Whether the prompt's own log-probabilities are reported. */
  get reportsLogprobs(): boolean {
    return this.#spec.echo !== null && this.#spec.logprobs !== null;
  }

  add(entries: readonly TokenLogprobs[]): void {
    for (const entry of entries) this.#logprobs.push(entry);
  }

  *pieces(): Generator<GenerationPiece> {
    const { echo, promptIds } = this.#spec;
    if (echo === null || this.#isGiven) return;
    this.#isGiven = true;
    const tokens = this.reportsLogprobs
      ? promptTokens(this.#tokenizer, promptIds, this.#logprobs)
      : [];
    const text = this.reportsLogprobs ? tokens.map((token) => token.text).join("") : echo;
    yield { type: "text", text, tokens, ids: [], completionTokenCount: 0 };
  }
}
