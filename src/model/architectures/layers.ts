/**
 * Layers as llama has them, of which other architectures say what they change.
 *
 * @module
 */

import type { AttentionPlan, FeedForwardPlan, LayerPlan, ModelPlan } from "../plan.ts";
import type { ModelReader } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";
import { EMBEDDING_NAME, HEAD_NAME, HEAD_NORM_NAME, layerTensor } from "./tensor_names.ts";

/** What an architecture makes of a header. */
export type ArchitecturePlan =
  & Omit<ModelPlan, "architecture" | "shape" | "layers" | "layerInputs">
  & { sizes: ModelSizes; layers: readonly ArchitectureLayer[] }
  & Partial<Pick<ModelPlan, "layerInputs">>;

/** A layer, of which some parts are left out where there are none. */
export type ArchitectureLayer =
  & Pick<LayerPlan, "attention" | "feedForward">
  & Partial<LayerPlan>;

/** Attention of layer `index`. A tensor is not read if `changes` has something in its place. */
export function readAttention(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, ...changes }: Partial<AttentionPlan> & Pick<AttentionPlan, "rope"> & { index: number },
): AttentionPlan {
  const { width, queryHeadCount, kvHeadCount, headSize } = sizes;
  const queryWidth = queryHeadCount * headSize;
  const kvWidth = kvHeadCount * headSize;
  const { normBefore, heads, output } = changes;
  const matrix = (part: string, columnCount: number, rowCount: number) =>
    reader.matrix(layerTensor(index, part), columnCount, rowCount);
  return {
    headShape: { queryHeadCount, kvHeadCount, headSize },
    latent: null,
    biases: null,
    queryNorm: null,
    keyNorm: null,
    normsValues: false,
    keyValueLayer: index,
    scale: 1 / Math.sqrt(headSize),
    temperature: null,
    window: null,
    sinks: null,
    softCap: null,
    outputBias: null,
    normAfter: null,
    outputScale: 1,
    ...changes,
    normBefore: normBefore === undefined
      ? reader.vector(layerTensor(index, "attn_norm"), width)
      : normBefore,
    heads: heads ?? [
      matrix("attn_q", width, queryWidth),
      matrix("attn_k", width, kvWidth),
      matrix("attn_v", width, kvWidth),
    ],
    output: output ?? matrix("attn_output", queryWidth, width),
  };
}

/** Biases of query, key and value heads of layer `index`. */
export function readBiases(reader: ModelReader, sizes: ModelSizes, index: number): string[] {
  const { queryHeadCount, kvHeadCount, headSize } = sizes;
  const bias = (part: string, headCount: number) =>
    reader.vector(layerTensor(index, part, "bias"), headCount * headSize);
  return [bias("attn_q", queryHeadCount), bias("attn_k", kvHeadCount), bias("attn_v", kvHeadCount)];
}

/** Bias of what attention of layer `index` gives, if the file has one. */
export function readOutputBias(
  reader: ModelReader,
  { width }: ModelSizes,
  index: number,
): string | null {
  return reader.vectorIfAny(layerTensor(index, "attn_output", "bias"), width);
}

/** The feed-forward part of layer `index`. */
export function readFeedForward(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, ...changes }: Partial<FeedForwardPlan> & { index: number },
): FeedForwardPlan {
  const { width, feedForwardWidth } = sizes;
  const { normBefore, gateUp, down } = changes;
  if (changes.experts === undefined) reader.refuseExperts();
  const matrix = (part: string, columnCount: number, rowCount: number) =>
    reader.matrix(layerTensor(index, part), columnCount, rowCount);
  return {
    activation: "silu",
    experts: null,
    shared: null,
    normAfter: null,
    outputScale: 1,
    ...changes,
    normBefore: normBefore === undefined
      ? reader.vector(layerTensor(index, "ffn_norm"), width)
      : normBefore,
    gateUp: gateUp ?? [
      matrix("ffn_gate", width, feedForwardWidth),
      matrix("ffn_up", width, feedForwardWidth),
    ],
    down: down ?? matrix("ffn_down", feedForwardWidth, width),
  };
}

/** What `make` gives for each layer. */
export function eachLayer<T>({ layerCount }: ModelSizes, make: (index: number) => T): T[] {
  return Array.from({ length: layerCount }, (_, index) => make(index));
}

/** Embedding, final norm and output head, and the epsilon of the norms. */
export function readEnds(
  reader: ModelReader,
  { width, vocabSize, tiedOutput }: ModelSizes,
): Pick<ModelPlan, "normEpsilon" | "embedding" | "head"> {
  const embedding = reader.matrix(EMBEDDING_NAME, width, vocabSize);
  return {
    normEpsilon: reader.positive("attention.layer_norm_rms_epsilon"),
    embedding: { matrix: embedding, scale: 1 },
    head: {
      norm: reader.vector(HEAD_NORM_NAME, width),
      matrix: tiedOutput ? embedding : reader.matrix(HEAD_NAME, width, vocabSize),
      scale: 1,
      softCap: null,
    },
  };
}
