/**
 * Layers that read the keys and values of an earlier one though their file does not say so: a plan
 * of which they project queries only. KVSharer, Yang et al. 2024, arXiv:2410.18517.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { haveSameKeys } from "../core/shapes.ts";
import { checkPlan } from "./plan_check.ts";
import type { AttentionPlan, LayerPlan, ModelPlan } from "./plan.ts";

/** A layer, and the earlier one whose keys and values it reads in the place of its own. */
export interface SharedLayer {
  /** Index of the layer that shares. */
  layer: number;
  /** Index of the layer that keeps. */
  source: number;
}

/**
 * The plan with layers that read what others keep. Of pairs in turn, where a source comes to share
 * itself, both read what it reads.
 *
 * @throws {EngineError} `model_unsupported` that names a layer which cannot, and why.
 */
export function sharePlan(plan: ModelPlan, pairs: readonly SharedLayer[]): ModelPlan {
  const sources = layerSources(plan, pairs);
  const layers = plan.layers.map((planned, layer) =>
    sources[layer] === planned.attention.keyValueLayer
      ? planned
      : withSource(planned, sources[layer])
  );
  const shared = { ...plan, layers };
  checkPlan(shared);
  return shared;
}

/** By layer, whose keys and values it reads once all pairs share. */
function layerSources({ layers }: ModelPlan, pairs: readonly SharedLayer[]): number[] {
  const sources = layers.map(({ attention }) => attention.keyValueLayer);
  for (const { layer, source } of pairs) {
    const isTwice = sources[layer] !== layer && layers[layer]?.attention.keyValueLayer === layer;
    const gap = isTwice ? "it shares already" : sharingGap(layers, { layer, source });
    if (gap !== null) {
      const message = `Cannot let layer ${layer} read the keys and values of ${source}: ${gap}`;
      throw new EngineError("model_unsupported", message, { param: "share" });
    }
    const root = sources[source];
    sources.forEach((own, index) => sources[index] = own === layer ? root : own);
  }
  return sources;
}

/** Why a layer cannot read the keys and values of another; null if it can. */
export function sharingGap(
  layers: readonly Pick<LayerPlan, "attention">[],
  { layer, source }: SharedLayer,
): string | null {
  if (layers[layer] === undefined || layers[source] === undefined) {
    return `the model has layers 0 to ${layers.length - 1}`;
  }
  const [own, other] = [layers[layer].attention, layers[source].attention];
  if (source >= layer) return "wanted an earlier layer";
  if (own.keyValueLayer !== layer) return `layer ${layer} makes none of its own by its file`;
  if (own.latent !== null) return "it keeps latents, whose queries are made for its own";
  if (own.window !== other.window) {
    return `one sees ${windowText(own)}, the other ${windowText(other)}`;
  }
  if (!haveSameKeys(own.headShape, other.headShape)) {
    return `one has ${headsText(own)}, the other ${headsText(other)}`;
  }
  if (JSON.stringify(own.rope) !== JSON.stringify(other.rope)) {
    return "their keys are turned by position in different ways";
  }
  return null;
}

function windowText({ window }: AttentionPlan): string {
  return window === null ? "everything" : `${window} tokens`;
}

function headsText({ headShape: { kvHeadCount, headSize } }: AttentionPlan): string {
  return `${kvHeadCount} heads of ${headSize}`;
}

function withSource(planned: LayerPlan, keyValueLayer: number): LayerPlan {
  const { attention } = planned;
  const [queries] = attention.heads;
  return {
    ...planned,
    attention: {
      ...attention,
      keyValueLayer,
      heads: [queries],
      biases: attention.biases && attention.biases.slice(0, 1),
      keyNorm: null,
      normsValues: false,
    },
  };
}
