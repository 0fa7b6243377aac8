/** Seeded models of any architecture and size, for tests that need a model but not a good one. */

import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { quantise, type QuantisedType } from "./quantise.ts";
import { type GgufTensorData, type GgufValue, writeGguf } from "./write_gguf.ts";
import { readArchitecture } from "../../src/model/architectures/registry.ts";
import {
  EMBEDDING_NAME,
  HEAD_NAME,
  HEAD_NORM_NAME,
  ROPE_FACTORS_NAME,
} from "../../src/model/architectures/tensor_names.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { seededNormals } from "./numeric.ts";
import { randomBlocks } from "./random_blocks.ts";
import { tinyVocabularyMetadata } from "./tiny_vocabulary.ts";

/** Dimensions of a made-up model. */
export interface TinyModelOptions {
  /** A name of the registry of architectures; its keys and tensors are written. */
  architecture: string;
  layerCount: number;
  width: number;
  feedForwardWidth: number;
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  vocabSize: number;
  contextLength: number;
  /** Type of all matrices; norms are F32. */
  type: QuantisedType;
  /** Type of the token embedding (and tied head); `type` if left out. */
  embeddingType?: QuantisedType;
  /** Types of matrices whose name ends so; `type` of all others. */
  typesOf?: Readonly<Record<string, QuantisedType>>;
  /** Types that matrices take in turn, in place of all these. */
  typesInTurn?: readonly TensorType[];
  /** Whether the output head is the token embedding. */
  tiedOutput: boolean;
  ropeBase: number;
  /** Factors of the RoPE frequencies, one per pair of channels; none if left out. */
  ropeFactors?: readonly number[];
  /** Whether there are biases where the architecture may have them; not, if left out. */
  hasBiases?: boolean;
  /**
   * Keys as they are hard to quantise: the slowest two pairs of channels of each head have a mean,
   * and are so many times larger, while queries are smaller by as much. A power of two does not
   * change what the model computes. Of llama, whose pairs are neighbours; none if left out.
   */
  keyOutlierFactor?: number;
  /** Experts of each layer, of which 2 are used; 4 of an architecture that needs them, or none. */
  expertCount?: number;
  /** Factor of the query weights: the larger, the fewer tokens a row attends to. */
  queryFactor: number;
  seed: number;
  /** Whether the file has a tokenizer, and says how many tokens there are; yes, if left out. */
  hasTokenizer?: boolean;
  /** Added to the metadata, or put in its place. */
  metadata?: Readonly<Record<string, GgufValue>>;
  /** The same, of what decides which tensors there are. */
  sizesMetadata?: Readonly<Record<string, GgufValue>>;
  /** Tensors that the architecture may have and this model has not. */
  leftOut?: readonly string[];
}

/** Channels of a head that are outliers of its keys, and the mean that they have before scaling. */
const OUTLIER_CHANNEL_COUNT = 4;
const OUTLIER_MEAN = 2;

/** Architectures without a gated product of their own. */
const EXPERT_ARCHITECTURES = ["qwen3moe", "gpt-oss", "deepseek2"];

/** Architectures that keep latents in the place of keys and values. */
export const LATENT_ARCHITECTURES = ["deepseek2", "clla"];

const DEFAULTS: TinyModelOptions = {
  architecture: "llama",
  layerCount: 2,
  width: 64,
  feedForwardWidth: 128,
  queryHeadCount: 4,
  kvHeadCount: 2,
  headSize: 32,
  vocabSize: 288,
  contextLength: 512,
  type: "F32",
  tiedOutput: true,
  ropeBase: 10_000,
  queryFactor: 1,
  seed: 1,
};

/** Sizes of a tensor: `[columns, rows]`, with experts as a third, or `[columns]` of vectors. */
type Sizes = readonly number[];

/**
 * Writes a model with random weights: matrices with a standard deviation of `1 / sqrt(columns)`,
 * norms around 1, biases around 0. Which tensors there are is what the architecture names. The same
 * options give the same bytes.
 */
export async function writeTinyModel(
  path: string,
  options: Partial<TinyModelOptions> = {},
): Promise<TinyModelOptions> {
  const model = { ...DEFAULTS, ...options };
  const metadata = { ...modelMetadata(model), ...model.metadata };
  const named = namedTensors(model);
  const matrices = named.filter(([, sizes]) => sizes.length > 1).map(([name]) => name);
  const tensors = named.map(([name, sizes], index) => {
    const inTurn = matrices.indexOf(name) % (model.typesInTurn?.length ?? 1);
    return makeTensor(name, sizes, { model, index, ownType: model.typesInTurn?.[inTurn] });
  });
  await writeGguf(path, metadata, tensors);
  return model;
}

function modelMetadata(model: TinyModelOptions): Record<string, GgufValue> {
  const { architecture } = model;
  const { expertCount = EXPERT_ARCHITECTURES.includes(architecture) ? 4 : 0 } = model;
  const expertMetadata = {
    [`${architecture}.expert_count`]: expertCount,
    [`${architecture}.expert_used_count`]: 2,
    [`${architecture}.expert_feed_forward_length`]: model.feedForwardWidth,
  };
  return {
    ...expertCount > 0 ? expertMetadata : {},
    ...architecture === "gemma4" ? gemma4Metadata(model) : {},
    "general.architecture": architecture,
    "general.name": "tiny",
    [`${architecture}.block_count`]: model.layerCount,
    [`${architecture}.context_length`]: model.contextLength,
    [`${architecture}.embedding_length`]: model.width,
    [`${architecture}.feed_forward_length`]: model.feedForwardWidth,
    [`${architecture}.attention.head_count`]: model.queryHeadCount,
    [`${architecture}.attention.head_count_kv`]: model.kvHeadCount,
    [`${architecture}.attention.key_length`]: model.headSize,
    [`${architecture}.attention.value_length`]: model.headSize,
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { f32: 1e-5 },
    [`${architecture}.rope.dimension_count`]: model.headSize,
    [`${architecture}.rope.freq_base`]: { f32: model.ropeBase },
    ...(model.hasTokenizer ?? true) ? vocabularyMetadata(model) : {},
    ...architecture === "deepseek2" ? deepseek2Metadata() : {},
    ...LATENT_ARCHITECTURES.includes(architecture) ? latentMetadata(model) : {},
    ...model.sizesMetadata,
  };
}

function vocabularyMetadata({ architecture, vocabSize }: TinyModelOptions) {
  return { [`${architecture}.vocab_size`]: vocabSize, ...tinyVocabularyMetadata(vocabSize) };
}

/** The last layer sees everything; heads of the others are twice as large, as are their turns. */
function gemma4Metadata({ layerCount, headSize }: TinyModelOptions): Record<string, GgufValue> {
  return {
    "gemma4.attention.sliding_window": 32,
    "gemma4.attention.sliding_window_pattern": Array.from(
      { length: layerCount },
      (_, layer) => layer < layerCount - 1,
    ),
    "gemma4.attention.key_length_swa": 2 * headSize,
    "gemma4.attention.value_length_swa": 2 * headSize,
    "gemma4.rope.dimension_count_swa": 2 * headSize,
    "gemma4.rope.freq_base_swa": { f32: 1000 },
  };
}

/** A dense layer, then experts, of which one is for all tokens. */
function deepseek2Metadata(): Record<string, GgufValue> {
  return {
    "deepseek2.leading_dense_block_count": 1,
    "deepseek2.expert_shared_count": 1,
    "deepseek2.expert_weights_scale": { f32: 1 },
  };
}

/** Latents of the channels of three heads, with a turned key of one; queries of a latent too. */
function latentMetadata(
  { architecture, headSize }: TinyModelOptions,
): Record<string, GgufValue> {
  return {
    [`${architecture}.attention.q_lora_rank`]: 2 * headSize,
    [`${architecture}.attention.kv_lora_rank`]: 3 * headSize,
    [`${architecture}.attention.key_length_mla`]: 2 * headSize,
    [`${architecture}.attention.value_length_mla`]: headSize,
    [`${architecture}.attention.head_count_kv`]: 1,
    [`${architecture}.attention.key_length`]: 4 * headSize,
    [`${architecture}.attention.value_length`]: 3 * headSize,
  };
}

/** Names and sizes of all tensors that the architecture asks for. */
function namedTensors(model: TinyModelOptions): [name: string, sizes: Sizes][] {
  const found = new Map<string, Sizes>();
  const values = Object.entries(modelMetadata(model)).map(([key, value]) => [
    key,
    typeof value === "object" && "f32" in value ? value.f32 : value,
  ]);
  readArchitecture(new GgufMetadata(Object.fromEntries(values)), {
    shapeOf: (name, wanted) => {
      if (isLeftOut(name, model)) return null;
      const sizes = name === EMBEDDING_NAME ? [model.width, model.vocabSize] : wanted;
      const { ropeFactors } = model;
      found.set(name, name === ROPE_FACTORS_NAME ? [ropeFactors!.length] : sizes);
      return sizes;
    },
    names: () => [],
  });
  return [...found].sort(([a], [b]) => placeOf(a) - placeOf(b));
}

function isLeftOut(name: string, model: TinyModelOptions): boolean {
  const { architecture, tiedOutput, ropeFactors, hasBiases = architecture !== "llama" } = model;
  return model.leftOut?.includes(name) || tiedOutput && name === HEAD_NAME ||
    !hasBiases && name.endsWith(".bias") ||
    ropeFactors === undefined && name === ROPE_FACTORS_NAME;
}

/** Layers lie between the embedding and what follows them. */
function placeOf(name: string): number {
  const place = [EMBEDDING_NAME, "", HEAD_NORM_NAME, HEAD_NAME, ROPE_FACTORS_NAME].indexOf(name);
  return place < 0 ? 1 : place;
}

function makeTensor(
  name: string,
  sizes: Sizes,
  { model, index, ownType }: {
    model: TinyModelOptions;
    index: number;
    ownType: TensorType | undefined;
  },
): GgufTensorData {
  const [columns, ...others] = sizes;
  const rowCount = others.reduce((product, size) => product * size, 1);
  const seed = model.seed * 1000 + index;
  if (others.length === 0 || name.endsWith(".bias")) {
    const bytes = quantise("F32", vectorOf(name, columns * rowCount, { model, seed }));
    return { name, type: "F32", shape: [...sizes], bytes };
  }
  const isEnd = name === EMBEDDING_NAME || name === HEAD_NAME;
  const values = seededNormals(columns * rowCount, seed, deviationOf(name, columns, model));
  scaleOutliers(name, values, { model, columns });
  if (ownType !== undefined) {
    const bytes = randomBlocks(ownType, values.length, seed);
    return { name, type: ownType, shape: [...sizes], bytes };
  }
  const [, own] = Object.entries(model.typesOf ?? {}).find(([end]) => name.endsWith(end)) ?? [];
  const type = own ?? (isEnd ? model.embeddingType : undefined) ?? model.type;
  return { name, type, shape: [...sizes], bytes: quantise(type, values) };
}

function vectorOf(
  name: string,
  length: number,
  { model, seed }: { model: TinyModelOptions; seed: number },
): Float32Array<ArrayBuffer> {
  if (name === ROPE_FACTORS_NAME) return Float32Array.from(model.ropeFactors!);
  const mean = name.endsWith(".bias") ? 0 : 1;
  // Scores of gemma4 are not scaled: its queries are small.
  const isSmall = model.architecture === "gemma4" && name.endsWith(".attn_q_norm.weight");
  const factor = isSmall ? 1 / Math.sqrt(length) : 1;
  const values = seededNormals(length, seed, 0.1).map((value) => factor * (mean + value));
  scaleOutliers(name, values, { model, columns: 1 });
  return values;
}

/** Makes keys hard, where that is asked for: rows of K and Q, and their biases. */
function scaleOutliers(
  name: string,
  values: Float32Array,
  { model, columns }: { model: TinyModelOptions; columns: number },
): void {
  const { keyOutlierFactor: factor, headSize } = model;
  const [, side, kind] = name.match(/\.attn_([qk])\.(weight|bias)$/) ?? [];
  if (factor === undefined || side === undefined) return;
  for (const [index, value] of values.entries()) {
    const channel = Math.floor(index / columns) % headSize;
    if (channel < headSize - OUTLIER_CHANNEL_COUNT) continue;
    const centred = side === "k" && kind === "bias" ? value + OUTLIER_MEAN : value;
    values[index] = side === "k" ? centred * factor : centred / factor;
  }
}

function deviationOf(name: string, columns: number, { queryFactor }: TinyModelOptions): number {
  // Logits spread over about 2, so that greedy choices have margins.
  if (name === EMBEDDING_NAME || name === HEAD_NAME) return 2 / Math.sqrt(columns);
  return (name.endsWith(".attn_q.weight") ? queryFactor : 1) / Math.sqrt(columns);
}
