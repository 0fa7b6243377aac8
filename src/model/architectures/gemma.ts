/**
 * What Gemma 2 and 3 have in common: a scaled embedding, GeGLU, norms before and after each part
 * of a layer.
 *
 * @module
 */

import type { AttentionPlan, RopePlan } from "../plan.ts";
import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/** What the two read differently. */
interface GemmaOptions {
  /** Layers of the one size that scales scores by the width of a head's share of the model. */
  wideScaleLayerCount: number;
  /** Logits are capped at it; null for none. */
  softCap: number | null;
  /** Of a layer: what it has beside the tensors that all have. */
  attentionOf: (index: number) => Partial<AttentionPlan> & { rope: RopePlan };
}

/** Reads the ends and layers. */
export function readGemma(
  reader: ModelReader,
  sizes: ModelSizes,
  { wideScaleLayerCount, softCap, attentionOf }: GemmaOptions,
): ArchitecturePlan {
  const { width, layerCount, queryHeadCount, headSize } = sizes;
  const { embedding, head, normEpsilon } = readEnds(reader, sizes);
  const isWide = layerCount === wideScaleLayerCount;
  const scale = 1 / Math.sqrt(isWide ? Math.floor(width / queryHeadCount) : headSize);
  return {
    sizes,
    normEpsilon,
    embedding: { ...embedding, scale: Math.sqrt(width) },
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        scale,
        normAfter: reader.vector(layerTensor(index, "post_attention_norm"), width),
        ...attentionOf(index),
      }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        activation: "gelu",
        normAfter: reader.vector(layerTensor(index, "post_ffw_norm"), width),
      }),
    })),
    head: { ...head, softCap },
  };
}

/** A cap under `<architecture>.<key>`; null for 0, which files have for none. */
export function readCap(reader: ModelReader, key: string, fallback: number): number | null {
  return reader.number(key, fallback) || null;
}
