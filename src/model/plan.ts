/**
 * What a model computes, as a plain value: an architecture's file makes it out of a GGUF header,
 * the layer stack runs it, the loader reads the tensors it names.
 *
 * For each layer, with `x` the residual stream:
 *
 * ```
 * h = normBefore(x);  q, k, v = heads · h + biases;  q, k = rope(norm(q)), rope(norm(k))
 * x += outputScale * normAfter(output · attention(q, k, v) + outputBias)
 * h = normBefore(x);  g, u = gateUp · h
 * x += outputScale * normAfter(down · (activation(g) * u))
 * x += norm(output · (gelu(gate · x) * own input))          of a layer with an input of its own
 * x *= factor                                               of a layer with a factor
 * ```
 *
 * @module
 */

import type { LayerHeads, ModelShape } from "../core/shapes.ts";
import type { ExpertGroups, ShareKind } from "../kernels/expert_route/rows.ts";

/** Some rows of a tensor `[columns, rows]`. */
export interface MatrixPlan {
  tensor: string;
  rowStart: number;
  rowCount: number;
}

/** RMSNorm of the heads of a query or a key, before RoPE. */
export interface HeadNormPlan {
  /** Weights: `[headSize]` over `head`, `[heads * headSize]` over `row`. */
  tensor: string;
  /** What one root mean square is taken of: each head, or all heads of a token. */
  over: "head" | "row";
}

/** Which pairs YaRN leaves as they are. Peng et al. 2023, arXiv:2309.00071, section 3.2. */
export interface YarnPlan {
  /** Positions of the context trained before scaling. */
  originalContextLength: number;
  /** Pairs that turn at least so often in that context keep their frequency. */
  betaFast: number;
  /** Pairs that turn at most so often are scaled; those between are mixed. */
  betaSlow: number;
}

/** How queries and keys are turned by their position. Su et al. 2021, arXiv:2104.09864. */
export interface RopePlan {
  /** Pair i turns by `position * base^(-2i / dimension)` before scaling. */
  base: number;
  /** Channels per head that are turned, from 0; even. */
  dimension: number;
  /**
   * Channels that make pair i: `2i` and `2i + 1`, or `i` and `i + dimension / 2` (NeoX). The loader
   * permutes the rows of the latter, so that the device sees neighbours only.
   */
  pairing: "neighbours" | "halves";
  /** Positions are divided by it (linear scaling); 1 for none. */
  positionScale: number;
  /** Pairs that turn fast keep their frequency whatever `positionScale` says; null: none do. */
  yarn: YarnPlan | null;
  /** Factor of the turned channels. */
  magnitude: number;
  /** F32 tensor `[dimension / 2]`: divisors of the frequencies (Llama 3.1). */
  factors: string | null;
}

/** Scores of a query at position p grow: `1 + factor * ln(1 + floor(p / length))`. */
export interface TemperaturePlan {
  factor: number;
  /** Positions for which scores stay alike; a positive integer. */
  length: number;
}

/**
 * Keys and values that are made of one latent of a token, in absorbed form: queries are multiplied
 * by what makes keys, and what they get by what makes values, so that latents are attended to as
 * they are kept. DeepSeek-V2, arXiv:2405.04434, section 2.1; layers that share one: CLLA,
 * arXiv:2410.15252.
 */
export interface LatentPlan {
  /** Channels of the latent without its turned key. */
  rank: number;
  /** Channels of the turned key, which all heads share, and of the turned part of a query. */
  turnedSize: number;
  /** Channels of a query head that meet the latent. */
  contentSize: number;
  /** Channels of a value head. */
  valueSize: number;
  /** What queries are made of in the place of the layer's input; null for that itself. */
  queryDown: { matrix: MatrixPlan; norm: string } | null;
  /** Of each query head the rows that meet the latent, `[contentSize, …]`. */
  contentQueries: readonly MatrixPlan[];
  /** The rows that are turned, `[turnedSize, …]`. */
  turnedQueries: readonly MatrixPlan[];
  /** Latent and turned key, and the norm of the first; null if the layer reads that of another. */
  down: { matrix: MatrixPlan; norm: string } | null;
  /** Of one head `[rank, contentSize]`; those of the others behind it. */
  keyUp: MatrixPlan;
  /** Of one head `[valueSize, rank]`, as above. */
  valueUp: MatrixPlan;
}

/** Attention of a layer, with the residual connection around it. */
export interface AttentionPlan {
  /** Norm of the input, f32 `[width]`. */
  normBefore: string | null;
  /**
   * The model's, unless the layer sees a window. Of latents one key head: its key and its value are
   * the halves of the latent, with zeros behind it.
   */
  headShape: LayerHeads;
  /** Null if keys and values are made of the layer's input. */
  latent: LatentPlan | null;
  /**
   * Query, key and value heads: their rows one below the other, in this order. Query heads alone of
   * a layer that attends to the keys and values of another; none of a layer that has latents.
   */
  heads: readonly MatrixPlan[];
  /** F32 tensors added to the heads, in the same order. */
  biases: readonly string[] | null;
  queryNorm: HeadNormPlan | null;
  keyNorm: HeadNormPlan | null;
  /** Whether each value head is divided by its root mean square. */
  normsValues: boolean;
  /** Null: positions do not turn anything. */
  rope: RopePlan | null;
  /**
   * Layer whose keys and values, or latents, are attended to: its own index, or an earlier one with
   * its own.
   */
  keyValueLayer: number;
  /** Scores are multiplied by it. */
  scale: number;
  /** Further factor of the scores, by the position of the query. */
  temperature: TemperaturePlan | null;
  /** Newest tokens attended to; null for all. */
  window: number | null;
  /** F32 tensor `[queryHeadCount]`: a score of each head that takes weight but has no value. */
  sinks: string | null;
  /** Scores become `softCap * tanh(score / softCap)`. */
  softCap: number | null;
  output: MatrixPlan;
  /** F32 tensor `[width]`. */
  outputBias: string | null;
  /** Norm of what is added to the residual stream, f32 `[width]`. */
  normAfter: string | null;
  /** Factor of what is added to the residual stream. */
  outputScale: number;
}

/**
 * Experts in the place of one gated product: of each token the `usedCount` with the highest scores
 * are run. Shazeer et al. 2017, arXiv:1701.06538.
 */
export interface ExpertPlan {
  count: number;
  usedCount: number;
  /** Scores of the experts: `[count, width]`. */
  router: MatrixPlan;
  /** F32 tensor `[count]`, added to the scores; with logistic functions only to choose by them. */
  routerBias: string | null;
  /** Groups of which some have experts to choose among; null for none. */
  groups: ExpertGroups | null;
  /** How scores become what experts count for. */
  shares: ShareKind;
  /** F32 tensors added to products, of each expert: `[count, rows]`. */
  biases: { gate: string; up: string; down: string } | null;
  /** Factor of what each expert counts for. */
  shareScale: number;
}

/** The feed-forward part of a layer, with the residual connection around it. */
export interface FeedForwardPlan {
  /** Norm of the input, f32 `[width]`. */
  normBefore: string | null;
  /** Gate and up; of one expert if there are some, those of the others behind it. */
  gateUp: readonly [gate: MatrixPlan, up: MatrixPlan];
  /** Of the gate; `clamped` is that of gpt-oss, `shaders/matmul/parts/activation_clamped.wgsl`. */
  activation: "silu" | "gelu" | "clamped";
  experts: ExpertPlan | null;
  /** A gated product of all tokens, beside experts; null for none. */
  shared: { gateUp: readonly [gate: MatrixPlan, up: MatrixPlan]; down: MatrixPlan } | null;
  /** Of one expert, as above. */
  down: MatrixPlan;
  /** Norm of what is added to the residual stream, f32 `[width]`. */
  normAfter: string | null;
  /** Factor of what is added to the residual stream. */
  outputScale: number;
}

/** What a layer does with its own input of a token: {@link LayerInputsPlan}. */
export interface LayerInputPlan {
  /** `[inputWidth, width]`. */
  gate: MatrixPlan;
  /** `[width, inputWidth]`. */
  output: MatrixPlan;
  /** Norm of what is added to the residual stream, f32 `[width]`. */
  normAfter: string;
}

/** One layer. */
export interface LayerPlan {
  attention: AttentionPlan;
  feedForward: FeedForwardPlan;
  /** Null for none. */
  input: LayerInputPlan | null;
  /** F32 tensor `[1]` that the residual stream is multiplied by in the end; null for none. */
  factor: string | null;
}

/**
 * Inputs that a token has for each layer, beside the residual stream:
 * `(table[id] * sqrt(inputWidth) + norm(projection · x / sqrt(width))) / sqrt(2)`, where x is the
 * scaled embedding, and each layer's share is normed by itself.
 */
export interface LayerInputsPlan {
  /** Values of a token for each layer; a multiple of 64. */
  inputWidth: number;
  /** `[vocabSize, layerCount * inputWidth]`. */
  table: MatrixPlan;
  /** `[layerCount * inputWidth, width]`. */
  projection: MatrixPlan;
  /** F32 tensor `[inputWidth]`. */
  norm: string;
}

/** A model: its sizes, and what is computed with which tensor. */
export interface ModelPlan {
  /** `general.architecture` of the file. */
  architecture: string;
  shape: ModelShape;
  /** Of every RMSNorm: added to the mean square. */
  normEpsilon: number;
  embedding: { matrix: MatrixPlan; scale: number };
  /** Null if no layer has an input of its own. */
  layerInputs: LayerInputsPlan | null;
  layers: readonly LayerPlan[];
  head: {
    /** Final norm, f32 `[width]`. */
    norm: string;
    /** The embedding if they are tied. */
    matrix: MatrixPlan;
    /** Logits are multiplied by it. */
    scale: number;
    /** Logits become `softCap * tanh(logit / softCap)`. */
    softCap: number | null;
  };
}
