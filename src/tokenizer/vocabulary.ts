/**
 * A model's tokens, as its GGUF file lists them.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";
import type { TextList } from "../gguf/text_list.ts";
import { LINES_RULE, type PreTokenizerRule, preTokenizerRule } from "./pre_tokenizers.ts";
import { readEndIds, readId } from "./special_ids.ts";

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
export const TOKEN_KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

/**
 * How tokens are written: `bytes` in GPT-2's alphabet of bytes, `spaces` as text with `▁` for a
 * space, beside tokens of single bytes such as `<0x0A>`; `none` if no text can be tokenized.
 */
export type Spelling = "bytes" | "spaces" | "none";

/** Tokens, merges and special ids of a model. */
export interface Vocabulary {
  readonly spelling: Spelling;
  /** Token texts, by id. */
  readonly tokens: readonly string[];
  /** Kinds by id; empty if all are normal. */
  readonly kinds: readonly number[];
  /** Pairs of tokens, separated by a space, in the order they are merged; null: by scores. */
  readonly merges: TextList | null;
  /** By id: pairs that give a token of a higher score are merged first. */
  readonly scores: readonly number[];
  readonly rule: PreTokenizerRule;
  /** Whether a text, also behind a special token, gets a space in front. */
  readonly addsSpace: boolean;
  /** Special tokens behind which white space is left out. */
  readonly strippingIds: ReadonlySet<number>;
  /** What may be wrong with it, if anything. */
  readonly warning: string | null;
  /** Ids of control tokens, by their text. */
  readonly controlIds: ReadonlyMap<string, number>;
  /** Ids of tokens that are found in any text before it is cut into words, by their text. */
  readonly userDefinedIds: ReadonlyMap<string, number>;
  readonly eosIds: readonly number[];
  readonly bosId: number | null;
  readonly unknownId: number | null;
  readonly addBos: boolean;
  /** Put behind a text that becomes a vector; null if nothing is. */
  readonly addedEosId: number | null;
}

/** What `tokenizer.ggml.model` says of the spelling and the merges. */
interface Kind {
  spelling: Spelling;
  /** Whether the file lists merges. */
  hasMerges: boolean;
  rule: PreTokenizerRule;
  addsSpace: boolean;
  addBos: boolean;
  warning: string | null;
}

/** Shapes of the tensors of a file, by name. */
export type TensorShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

const TOKENS_KEY = "tokenizer.ggml.tokens";
/** Has a row for each token. */
const EMBEDDING_NAME = "token_embd.weight";

/** What was read: an engine and its tokenizer are made of one header. */
const known = new WeakMap<GgufMetadata, Vocabulary>();

/**
 * Reads the vocabulary, once of a header. A tokenizer of a kind that this project does not have
 * gives one of spelling `none`, and a warning.
 *
 * @param tensors Those of the same file: they say how many ids there are where no key does.
 * @throws {EngineError} `model_file_invalid` if keys are missing or contradict each other.
 */
export function readVocabulary(
  metadata: GgufMetadata,
  tensors: TensorShapes,
): Vocabulary {
  const vocabulary = known.get(metadata) ?? read(metadata, tensors);
  known.set(metadata, vocabulary);
  return vocabulary;
}

function read(metadata: GgufMetadata, tensors: TensorShapes): Vocabulary {
  const kind = readKind(metadata);
  const tokens = kind.spelling === "none"
    ? readUnreadable(metadata, tensors)
    : metadata.getStrings(TOKENS_KEY);
  const kinds = metadata.getNumbers("tokenizer.ggml.token_type", []);
  checkCount("token types", kinds, tokens);
  const needsScores = kind.spelling === "spaces" && !kind.hasMerges;
  const scores = needsScores ? metadata.getNumbers("tokenizer.ggml.scores") : [];
  checkCount("scores", scores, tokens);
  const { controlIds, userDefinedIds } = readSpecials(tokens, kinds);
  const bosId = readId(metadata, "bos_token_id", tokens.length);
  return {
    spelling: kind.spelling,
    tokens,
    kinds,
    merges: kind.hasMerges ? metadata.getTextList("tokenizer.ggml.merges") : null,
    scores,
    rule: kind.rule,
    addsSpace: metadata.getBoolean("tokenizer.ggml.add_space_prefix", kind.addsSpace),
    strippingIds: readStrippingIds(metadata, [...controlIds, ...userDefinedIds]),
    warning: kind.warning,
    controlIds,
    userDefinedIds,
    eosIds: readEndIds(metadata, controlIds, tokens.length),
    bosId,
    unknownId: readId(metadata, "unknown_token_id", tokens.length),
    addedEosId: metadata.getBoolean("tokenizer.ggml.add_eos_token", false)
      ? readId(metadata, "eos_token_id", tokens.length)
      : null,
    addBos: bosId !== null && metadata.getBoolean("tokenizer.ggml.add_bos_token", kind.addBos),
  };
}

function readKind(metadata: GgufMetadata): Kind {
  const model = metadata.getString("tokenizer.ggml.model", null);
  const pre = metadata.getString("tokenizer.ggml.pre", null);
  if (model === "gpt2" && pre !== "gemma4") {
    const { rule, warning } = preTokenizerRule(pre);
    return {
      spelling: "bytes",
      hasMerges: true,
      rule,
      addsSpace: false,
      addBos: rule.addBos,
      warning,
    };
  }
  const common = { rule: LINES_RULE, addsSpace: false, addBos: true, warning: null } as const;
  if (model === "llama") {
    // Scores order the merges of a whole text, line feeds too.
    const rule = { ...LINES_RULE, patterns: [] };
    return { ...common, spelling: "spaces", hasMerges: false, rule, addsSpace: true };
  }
  if (model === "gemma4" || pre === "gemma4") {
    return { ...common, spelling: "spaces", hasMerges: true };
  }
  const state = model === null
    ? "The model file has no tokenizer"
    : `The model's tokenizer is ${quote(model)}; supported: gpt2, llama, gemma4`;
  const warning = `${state}: only token ids are served, no texts`;
  return { ...common, spelling: "none", hasMerges: false, addBos: false, warning };
}

/** Tokens of which only the number and special ones matter. */
function readUnreadable(metadata: GgufMetadata, tensors: TensorShapes): readonly string[] {
  const listed = metadata.getStrings(TOKENS_KEY, null);
  if (listed !== null) return listed;
  const architecture = metadata.getString("general.architecture", "");
  const rowCount = tensors.get(EMBEDDING_NAME)?.shape[1] ?? 0;
  const tokenCount = metadata.getNumber(`${architecture}.vocab_size`, rowCount);
  return Array.from({ length: tokenCount }, () => "");
}

function readSpecials(
  tokens: readonly string[],
  kinds: readonly number[],
): Pick<Vocabulary, "controlIds" | "userDefinedIds"> {
  const controlIds = new Map<string, number>();
  const userDefinedIds = new Map<string, number>();
  for (const [id, kind] of kinds.entries()) {
    if (kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown) controlIds.set(tokens[id], id);
    else if (kind === TOKEN_KIND.userDefined) userDefinedIds.set(tokens[id], id);
  }
  return { controlIds, userDefinedIds };
}

/** Files do not say that a token strips: models named Phi-3 have such tokens. */
function readStrippingIds(
  metadata: GgufMetadata,
  specials: readonly (readonly [string, number])[],
): Set<number> {
  if (!/phi-?3/i.test(metadata.getString("general.name", ""))) return new Set();
  const kept = ["<unk>", "<s>", "<|endoftext|>"];
  return new Set(specials.filter(([text]) => !kept.includes(text)).map(([, id]) => id));
}

function checkCount(what: string, values: readonly number[], tokens: readonly string[]): void {
  if (values.length === 0 || values.length === tokens.length) return;
  throw new EngineError(
    "model_file_invalid",
    `Cannot read the vocabulary: there are ${tokens.length} tokens and ${values.length} ${what}`,
  );
}
