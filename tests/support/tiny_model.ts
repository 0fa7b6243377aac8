/** Seeded llama models of any size, for tests that need a whole model but not a good one. */

import { ROPE_FACTORS_NAME } from "../../src/gguf/model_shape.ts";
import { quantise } from "../../src/gguf/quantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { type GgufTensorData, type GgufValue, writeGguf } from "../../src/gguf/write_gguf.ts";
import { seededNormals } from "./numeric.ts";
import { tinyVocabularyMetadata } from "./tiny_vocabulary.ts";

/** Dimensions of a made-up model. */
export interface TinyModelOptions {
  layerCount: number;
  width: number;
  feedForwardWidth: number;
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  vocabSize: number;
  contextLength: number;
  /** Type of all matrices; norms are F32. */
  type: TensorType;
  /** Type of the token embedding (and tied head); `type` if left out. */
  embeddingType?: TensorType;
  /** Whether the output head is the token embedding. */
  tiedOutput: boolean;
  ropeBase: number;
  /** Factors of the RoPE frequencies, one per pair of channels; none if left out. */
  ropeFactors?: readonly number[];
  /** Factor of the query weights: the larger, the fewer tokens a row attends to. */
  queryFactor: number;
  seed: number;
  /** Added to the metadata, or put in its place. */
  metadata?: Readonly<Record<string, GgufValue>>;
}

const DEFAULTS: TinyModelOptions = {
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

/** A matrix `[columns, rows]` or, with `rows` left out, a norm's weights. */
interface TensorPlan {
  name: string;
  columns: number;
  rows?: number;
  type?: TensorType;
  /** Standard deviation of matrix values; `1 / sqrt(columns)` if left out. */
  deviation?: number;
}

/**
 * Writes a model with random weights: matrices with a standard deviation of `1 / sqrt(columns)`,
 * norms around 1. The same options give the same bytes.
 */
export async function writeTinyModel(
  path: string,
  options: Partial<TinyModelOptions> = {},
): Promise<TinyModelOptions> {
  const model = { ...DEFAULTS, ...options };
  const tensors = tensorPlans(model).map((plan, index) => makeTensor(plan, model, index));
  if (model.ropeFactors !== undefined) {
    const bytes = quantise("F32", Float32Array.from(model.ropeFactors));
    const shape = [model.ropeFactors.length];
    tensors.push({ name: ROPE_FACTORS_NAME, type: "F32", shape, bytes });
  }
  await writeGguf(path, { ...modelMetadata(model), ...model.metadata }, tensors);
  return model;
}

function modelMetadata(model: TinyModelOptions): Record<string, GgufValue> {
  return {
    "general.architecture": "llama",
    "general.name": "tiny",
    "llama.block_count": model.layerCount,
    "llama.context_length": model.contextLength,
    "llama.embedding_length": model.width,
    "llama.feed_forward_length": model.feedForwardWidth,
    "llama.attention.head_count": model.queryHeadCount,
    "llama.attention.head_count_kv": model.kvHeadCount,
    "llama.attention.key_length": model.headSize,
    "llama.attention.value_length": model.headSize,
    "llama.attention.layer_norm_rms_epsilon": { f32: 1e-5 },
    "llama.rope.dimension_count": model.headSize,
    "llama.rope.freq_base": { f32: model.ropeBase },
    "llama.vocab_size": model.vocabSize,
    ...tinyVocabularyMetadata(model.vocabSize),
  };
}

function tensorPlans(model: TinyModelOptions): TensorPlan[] {
  const { width, feedForwardWidth, vocabSize } = model;
  const queryWidth = model.queryHeadCount * model.headSize;
  const kvWidth = model.kvHeadCount * model.headSize;
  const embedding: TensorPlan = {
    name: "token_embd.weight",
    columns: width,
    rows: vocabSize,
    // Logits spread over about 2, so that greedy choices have margins.
    deviation: 2 / Math.sqrt(width),
    ...(model.embeddingType === undefined ? {} : { type: model.embeddingType }),
  };
  const layers = Array.from({ length: model.layerCount }, (_, layerIndex): TensorPlan[] => {
    const name = (stem: string) => `blk.${layerIndex}.${stem}.weight`;
    return [
      { name: name("attn_norm"), columns: width },
      {
        name: name("attn_q"),
        columns: width,
        rows: queryWidth,
        deviation: model.queryFactor / Math.sqrt(width),
      },
      { name: name("attn_k"), columns: width, rows: kvWidth },
      { name: name("attn_v"), columns: width, rows: kvWidth },
      { name: name("attn_output"), columns: queryWidth, rows: width },
      { name: name("ffn_norm"), columns: width },
      { name: name("ffn_gate"), columns: width, rows: feedForwardWidth },
      { name: name("ffn_up"), columns: width, rows: feedForwardWidth },
      { name: name("ffn_down"), columns: feedForwardWidth, rows: width },
    ];
  });
  const head = { ...embedding, name: "output.weight" };
  return [
    embedding,
    ...layers.flat(),
    { name: "output_norm.weight", columns: width },
    ...(model.tiedOutput ? [] : [head]),
  ];
}

function makeTensor(plan: TensorPlan, model: TinyModelOptions, index: number): GgufTensorData {
  const { name, columns, rows } = plan;
  const seed = model.seed * 1000 + index;
  if (rows === undefined) {
    const weights = seededNormals(columns, seed, 0.1).map((value) => 1 + value);
    return { name, type: "F32", shape: [columns], bytes: quantise("F32", weights) };
  }
  const values = seededNormals(columns * rows, seed, plan.deviation ?? 1 / Math.sqrt(columns));
  const type = plan.type ?? model.type;
  return { name, type, shape: [columns, rows], bytes: quantise(type, values) };
}
