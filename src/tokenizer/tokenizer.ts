/**
 * The tokenizer of a model, made from its GGUF file; BPE by `@huggingface/tokenizers`.
 *
 * @module
 */

import { Tokenizer as BpeTokenizer } from "@huggingface/tokenizers";
import { EngineError } from "../core/errors.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";
import { TokenBound } from "./token_bound.ts";
import { SpecialTokens } from "./special_tokens.ts";
import type { TokenizeOptions, Tokenizer } from "./types.ts";
import { readVocabulary, tokenBytesTable, type Vocabulary } from "./vocabulary.ts";

/** Characters from which on tokens are bounded first; shorter texts get an exact count. */
const BOUND_LENGTH_MIN = 2 ** 15;

/** Warnings that were given: a model has several tokenizers in one process. */
const given = new Set<string>();

/**
 * Makes the tokenizer of a model. Warns on the console, once, if its pre-tokenizer is not known.
 *
 * @param metadata The GGUF file's keys `tokenizer.ggml.*`.
 * @throws {EngineError} `model_unsupported` naming the tokenizer if it is none of ours;
 * `model_file_invalid` if keys are missing or contradict each other.
 */
export function createTokenizer(metadata: GgufMetadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const { warning } = vocabulary;
  if (warning !== null && !given.has(warning)) {
    given.add(warning);
    console.warn(`packkv: ${warning}`);
  }
  return new GgufTokenizer(vocabulary);
}

class GgufTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly eosIds: readonly number[];
  readonly bosId: number | null;
  readonly addBos: boolean;
  readonly #bpe: BpeTokenizer;
  #bound: TokenBound | null = null;
  readonly #tokenBytes: readonly Uint8Array[];
  readonly #controlIds: ReadonlySet<number>;
  /** Finds special tokens if control tokens are, or are not, looked for. */
  readonly #withControl: SpecialTokens;
  readonly #withoutControl: SpecialTokens;

  constructor(vocabulary: Vocabulary) {
    const { controlIds, userDefinedIds } = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.eosIds = vocabulary.eosIds;
    this.bosId = vocabulary.bosId;
    this.addBos = vocabulary.addBos;
    this.#bpe = createBpe(vocabulary);
    this.#tokenBytes = tokenBytesTable(vocabulary);
    this.#controlIds = new Set(controlIds.values());
    this.#withControl = new SpecialTokens(new Map([...userDefinedIds, ...controlIds]));
    this.#withoutControl = new SpecialTokens(userDefinedIds);
  }

  tokenize(text: string, options: TokenizeOptions): number[] {
    const specials = options.parseSpecial ? this.#withControl : this.#withoutControl;
    const pieces = specials.split(text);
    const { tokenCountMax = Infinity } = options;
    if (text.length >= BOUND_LENGTH_MIN) this.#checkCount(pieces, tokenCountMax);
    const ids: number[] = [];
    for (const piece of pieces) {
      if (typeof piece === "number") ids.push(piece);
      else for (const id of this.#bpe.encode(piece).ids) ids.push(id);
    }
    return ids;
  }

  #checkCount(pieces: readonly (number | string)[], tokenCountMax: number): void {
    this.#bound ??= new TokenBound(this.#tokenBytes);
    let leastCount = 0;
    for (const piece of pieces) {
      leastCount += typeof piece === "number" ? 1 : this.#bound.least(piece);
    }
    if (leastCount <= tokenCountMax) return;
    throw new EngineError(
      "context_length_exceeded",
      `Cannot tokenize a text that takes at least ${leastCount} tokens: there is room for ` +
        `${tokenCountMax}`,
    );
  }

  detokenize(ids: readonly number[]): string {
    const parts = ids.map((id) => this.tokenBytes(id));
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }

  tokenBytes(id: number): Uint8Array {
    const bytes = this.#tokenBytes[id];
    if (bytes === undefined) {
      throw new RangeError(`Cannot detokenize id ${id}: ids go from 0 to ${this.vocabSize - 1}`);
    }
    return bytes;
  }

  isControl(id: number): boolean {
    return this.#controlIds.has(id);
  }
}

/** The library's tokenizer for text without special tokens. */
function createBpe(vocabulary: Vocabulary): BpeTokenizer {
  const { tokens, merges, rule, controlIds, userDefinedIds } = vocabulary;
  const ordinary = tokens.map((token, id): [string, number] => [token, id])
    .filter(([token]) => !controlIds.has(token) && !userDefinedIds.has(token));
  const splits = rule.patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  const toByteAlphabet = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  return new BpeTokenizer({
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...splits, toByteAlphabet] },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(ordinary),
      merges,
      ignore_merges: rule.ignoreMerges,
    },
    post_processor: null,
    decoder: null,
    added_tokens: [],
  }, {});
}
