/**
 * The tokenizer of a model, made from its GGUF file.
 *
 * @module
 */

import { SplitPreTokenizer } from "@huggingface/tokenizers";
import { EngineError } from "../core/errors.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";
import { BYTE_CHARACTERS } from "./byte_level.ts";
import { createMerger, type MergeWord } from "./merges.ts";
import { SpecialTokens } from "./special_tokens.ts";
import { TokenBound } from "./token_bound.ts";
import { SPACE_MARK, tokenBytesReader } from "./token_bytes.ts";
import type { TokenizeOptions, Tokenizer } from "./types.ts";
import { readVocabulary, type TensorShapes, type Vocabulary } from "./vocabulary.ts";

/** Characters from which on tokens are bounded first; shorter texts get an exact count. */
const BOUND_LENGTH_MIN = 2 ** 15;

/** Warnings that were given in this thread: a model has several tokenizers in one process. */
const given = new Set<string>();

/**
 * Makes the tokenizer of a model. Warns on the console, once, if its pre-tokenizer is not known or
 * its tokenizer is none of ours: that one refuses texts and gives none for ids.
 *
 * @param metadata The GGUF file's keys `tokenizer.ggml.*`.
 * @param tensors Its tensors, as {@link readVocabulary} takes them.
 * @param options `isQuiet`: for a thread beside one that warned already.
 * @throws {EngineError} `model_file_invalid` if keys are missing or contradict each other.
 */
export function createTokenizer(
  metadata: GgufMetadata,
  tensors: TensorShapes,
  { isQuiet = false } = {},
): Tokenizer {
  const vocabulary = readVocabulary(metadata, tensors);
  const { warning } = vocabulary;
  if (warning !== null && !isQuiet && !given.has(warning)) {
    given.add(warning);
    console.warn(`packkv: ${warning}`);
  }
  return new GgufTokenizer(vocabulary);
}

class GgufTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly hasTexts: boolean;
  readonly eosIds: readonly number[];
  readonly bosId: number | null;
  readonly addBos: boolean;
  readonly addedEosId: number | null;
  readonly #vocabulary: Vocabulary;
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #controlIds: ReadonlySet<number>;
  readonly #specialIds: ReadonlySet<number>;
  /** Finds special tokens if control tokens are, or are not, looked for. */
  readonly #withControl: SpecialTokens;
  readonly #withoutControl: SpecialTokens;
  #cutWords: SplitPreTokenizer[] | null = null;
  #merge: MergeWord | null = null;
  #bound: TokenBound | null = null;

  constructor(vocabulary: Vocabulary) {
    const { controlIds, userDefinedIds } = vocabulary;
    this.#vocabulary = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.hasTexts = vocabulary.spelling !== "none";
    this.eosIds = vocabulary.eosIds;
    this.bosId = vocabulary.bosId;
    this.addBos = vocabulary.addBos;
    this.addedEosId = vocabulary.addedEosId;
    this.#bytesOf = tokenBytesReader(vocabulary);
    this.#controlIds = new Set(controlIds.values());
    this.#specialIds = new Set([...controlIds.values(), ...userDefinedIds.values()]);
    this.#withControl = new SpecialTokens(new Map([...userDefinedIds, ...controlIds]));
    this.#withoutControl = new SpecialTokens(userDefinedIds);
  }

  tokenize(text: string, options: TokenizeOptions): number[] {
    const { parseSpecial, tokenCountMax = Infinity, after = null } = options;
    if (!this.hasTexts) {
      throw new EngineError("invalid_request", `Cannot tokenize: ${this.#vocabulary.warning}`);
    }
    const specials = parseSpecial ? this.#withControl : this.#withoutControl;
    const pieces = this.#strip(specials.split(text), after);
    if (text.length >= BOUND_LENGTH_MIN) this.#checkCount(pieces, tokenCountMax);
    const ids: number[] = [];
    for (const piece of pieces) {
      if (typeof piece === "number") ids.push(piece);
      else this.#pushText(piece, this.#isBoundary(ids.at(-1) ?? after), ids);
    }
    return ids;
  }

  /** Whether a text behind `id` is written as one at the start is. */
  #isBoundary(id: number | null): boolean {
    return id === null || this.#specialIds.has(id);
  }

  /** Leaves white space behind special tokens out, where models were trained so. */
  #strip(pieces: (number | string)[], after: number | null): (number | string)[] {
    const { strippingIds } = this.#vocabulary;
    if (strippingIds.size === 0) return pieces;
    const before = [after, ...pieces];
    return pieces.flatMap((piece, index) => {
      const last = before[index];
      const isStripped = typeof last === "number" && strippingIds.has(last);
      if (typeof piece === "number" || !isStripped) return [piece];
      const rest = piece.replace(/^[ \t-\r]+/, "");
      return rest === "" ? [] : [rest];
    });
  }

  #pushText(text: string, isBoundary: boolean, ids: number[]): void {
    const { spelling, addsSpace, rule } = this.#vocabulary;
    this.#merge ??= createMerger(this.#vocabulary);
    this.#cutWords ??= rule.patterns.map(splitterOf);
    const spaced = addsSpace && isBoundary ? ` ${text}` : text;
    let words = [spelling === "spaces" ? spaced.replaceAll(" ", SPACE_MARK) : spaced];
    for (const splitter of this.#cutWords) {
      words = words.flatMap((word) => splitter.pre_tokenize_text(word));
    }
    for (const word of words) {
      for (const id of this.#merge(spelling === "bytes" ? byteCharacters(word) : word)) {
        ids.push(id);
      }
    }
  }

  #checkCount(pieces: readonly (number | string)[], tokenCountMax: number): void {
    this.#bound ??= new TokenBound(this.#allBytes());
    let leastCount = 0;
    for (const piece of pieces) {
      leastCount += typeof piece === "number" ? 1 : this.#bound.least(piece);
    }
    if (leastCount <= tokenCountMax) return;
    throw new EngineError(
      "context_length_exceeded",
      `Cannot tokenize a text that takes at least ${leastCount} tokens: there is room for ` +
        `${tokenCountMax}`,
      { tokenCount: leastCount },
    );
  }

  *#allBytes(): Generator<Uint8Array> {
    for (let id = 0; id < this.vocabSize; id++) yield this.#bytesOf(id);
  }

  detokenize(ids: readonly number[]): string {
    return decode(ids.map((id) => this.tokenBytes(id)));
  }

  textOf(ids: readonly number[]): string {
    const { addsSpace, spelling } = this.#vocabulary;
    if (!addsSpace || spelling !== "spaces") return this.detokenize(ids);
    return decode(ids.map((id, index) => {
      const bytes = this.tokenBytes(id);
      const isText = !this.#specialIds.has(id);
      const hasSpace = isText && bytes[0] === 0x20 && this.#isBoundary(ids[index - 1] ?? null);
      return hasSpace ? bytes.subarray(1) : bytes;
    }));
  }

  tokenBytes(id: number): Uint8Array {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) return this.#bytesOf(id);
    throw new RangeError(`Cannot detokenize id ${id}: ids go from 0 to ${this.vocabSize - 1}`);
  }

  isControl(id: number): boolean {
    return this.#controlIds.has(id);
  }
}

function splitterOf(pattern: string): SplitPreTokenizer {
  const config = {
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  };
  return new SplitPreTokenizer(config as ConstructorParameters<typeof SplitPreTokenizer>[0]);
}

const utf8 = new TextEncoder();

/** A word in GPT-2's alphabet of bytes. */
function byteCharacters(word: string): string {
  let text = "";
  for (const byte of utf8.encode(word)) text += BYTE_CHARACTERS[byte];
  return text;
}

function decode(parts: readonly Uint8Array[]): string {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
