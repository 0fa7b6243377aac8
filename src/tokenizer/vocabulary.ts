/**
 * A model's tokens, as its GGUF file lists them.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";
import { bytesOfToken } from "./byte_level.ts";
import { type PreTokenizerRule, preTokenizerRule } from "./pre_tokenizers.ts";

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
const TOKEN_KIND = { normal: 1, control: 3, userDefined: 4, byte: 6 } as const;

/** -1 in the 32 bits of an id: what converters write for a token that a model does not have. */
const NO_ID = 2 ** 32 - 1;

/** Control tokens that end an answer in the chat formats of common models. */
const END_NAMES = ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>"];

/** Tokens, merges and special ids of a model. */
export interface Vocabulary {
  /** Token texts in the byte alphabet, by id. */
  readonly tokens: readonly string[];
  /** Pairs of tokens, separated by a space, in the order they are merged. */
  readonly merges: readonly string[];
  readonly rule: PreTokenizerRule;
  /** What may be wrong with the rule, if anything. */
  readonly warning: string | null;
  /** Ids of control tokens, by their text. */
  readonly controlIds: ReadonlyMap<string, number>;
  /** Ids of tokens that are found in any text before it is cut into words, by their text. */
  readonly userDefinedIds: ReadonlyMap<string, number>;
  readonly eosIds: readonly number[];
  readonly bosId: number | null;
  readonly addBos: boolean;
}

/**
 * Reads the vocabulary.
 *
 * @throws {EngineError} `model_unsupported` if the tokenizer is of a kind this project does not
 * have; `model_file_invalid` if keys are missing or contradict each other.
 */
export function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const model = metadata.getString("tokenizer.ggml.model");
  if (model !== "gpt2") {
    throw new EngineError(
      "model_unsupported",
      `Cannot tokenize for this model: its tokenizer is ${quote(model)}; supported: gpt2`,
    );
  }
  const { rule, warning } = preTokenizerRule(metadata.getString("tokenizer.ggml.pre", null));
  const tokens = metadata.getStrings("tokenizer.ggml.tokens");
  const kinds = metadata.getNumbers("tokenizer.ggml.token_type", []);
  if (kinds.length !== 0 && kinds.length !== tokens.length) {
    throw invalid(`there are ${tokens.length} tokens and ${kinds.length} token types`);
  }
  const idsOfKind = (kind: number) =>
    new Map(tokens.flatMap((token, id) => kinds[id] === kind ? [[token, id] as const] : []));
  const controlIds = idsOfKind(TOKEN_KIND.control);
  const bosId = idAt(metadata, "tokenizer.ggml.bos_token_id", tokens.length);
  return {
    tokens,
    merges: metadata.getStrings("tokenizer.ggml.merges"),
    rule,
    warning,
    controlIds,
    userDefinedIds: idsOfKind(TOKEN_KIND.userDefined),
    eosIds: readEosIds(metadata, controlIds, tokens.length),
    bosId,
    addBos: bosId !== null && metadata.getBoolean("tokenizer.ggml.add_bos_token", rule.addBos),
  };
}

/** The bytes each token stands for, by id. Control and user-defined tokens stand for their text. */
export function tokenBytesTable(vocabulary: Vocabulary): readonly Uint8Array[] {
  const { tokens, controlIds, userDefinedIds } = vocabulary;
  const plainIds = new Set([...controlIds.values(), ...userDefinedIds.values()]);
  const utf8 = new TextEncoder();
  return tokens.map((token, id) => plainIds.has(id) ? utf8.encode(token) : bytesOfToken(token));
}

function readEosIds(
  metadata: GgufMetadata,
  controlIds: ReadonlyMap<string, number>,
  tokenCount: number,
): number[] {
  const ids = [
    idAt(metadata, "tokenizer.ggml.eos_token_id", tokenCount),
    idAt(metadata, "tokenizer.ggml.eot_token_id", tokenCount),
    ...END_NAMES.map((name) => controlIds.get(name) ?? null),
  ];
  return [...new Set(ids.filter((id) => id !== null))];
}

function idAt(metadata: GgufMetadata, key: string, tokenCount: number): number | null {
  const id = metadata.getNumber(key, null);
  if (id === NO_ID || id === -1) return null;
  if (id !== null && !(Number.isInteger(id) && id >= 0 && id < tokenCount)) {
    throw invalid(`"${key}" is ${id}, but there are ${tokenCount} tokens`);
  }
  return id;
}

function invalid(state: string): EngineError {
  return new EngineError("model_file_invalid", `Cannot read the vocabulary: ${state}`);
}
