/**
 * What of a plan the layer stack cannot run: a missing feature is refused by name, never
 * skipped.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { haveSameKeys, type LayerHeads, type ModelShape, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { BINDING_ALIGNMENT_BYTES } from "../gpu/gpu.ts";
import type { LatentPlan, LayerPlan, ModelPlan } from "./plan.ts";

/** Inputs of a layer begin where a buffer can be bound. */
const INPUT_WIDTH_UNIT = BINDING_ALIGNMENT_BYTES / WORD_SIZE_BYTES;

/**
 * Refuses a plan that asks for more than there is.
 *
 * @throws {EngineError} `model_unsupported` that names the first such feature, and its layer.
 */
export function checkPlan(plan: ModelPlan): void {
  const { shape, layerInputs } = plan;
  const softCaps = plan.layers.map(({ attention }) => attention.softCap);
  const latents = plan.layers.map(({ attention }) => attention.latent);
  const windows = plan.layers.map(({ attention }) => attention.window);
  refuseFirst("it", [
    [new Set(softCaps).size > 1, `caps the scores of its layers differently: ${softCaps}`],
    [!windows.includes(null), "attends to a window in every layer"],
    [new Set(latents.map(Boolean)).size > 1, "keeps latents in some layers only"],
    [
      new Set(latents.map((latent) => latent && latentSizes(latent))).size > 1,
      "has latents of different sizes",
    ],
    [
      layerInputs !== null && layerInputs.inputWidth % INPUT_WIDTH_UNIT !== 0,
      `has ${layerInputs?.inputWidth} inputs for each layer, no multiple of ${INPUT_WIDTH_UNIT}`,
    ],
  ]);
  for (const [index, layer] of plan.layers.entries()) {
    refuseFirst(`layer ${index}`, sharingGaps(plan, index));
    refuseFirst(`layer ${index}`, attentionGaps(layer, shape));
    refuseFirst(`layer ${index}`, feedForwardGaps(layer));
    refuseFirst(`layer ${index}`, endGaps(layer));
  }
}

function latentSizes({ rank, turnedSize, contentSize, valueSize, queryDown }: LatentPlan): string {
  return [rank, turnedSize, contentSize, valueSize, queryDown?.matrix.rowCount].join();
}

type Gap = [isAsked: boolean, what: string];

/** A layer that reads the keys and values of another projects queries only. */
function sharingGaps({ layers }: ModelPlan, index: number): Gap[] {
  const { keyValueLayer, heads, headShape, keyNorm, window, latent } = layers[index].attention;
  const isOwn = keyValueLayer === index;
  const hasOwnLatent = latent !== null && latent.down !== null;
  const isOwnThere = layers[keyValueLayer]?.attention.keyValueLayer === keyValueLayer;
  const what = `attends to the keys and values of layer ${keyValueLayer}`;
  const there = layers[keyValueLayer]?.attention.headShape ?? headShape;
  return [
    [keyValueLayer > index || !isOwnThere, `${what}, which does not make them before it`],
    [
      !isOwn && (heads.length > 1 || keyNorm !== null || hasOwnLatent),
      `${what}, and makes its own`,
    ],
    [isOwn && latent !== null && !hasOwnLatent, "makes no latent, and reads that of no other"],
    [window !== layers[keyValueLayer]?.attention.window, `${what}, which sees another window`],
    [
      !haveSameKeys(headShape, there),
      `${what}, which are ${kvHeadsText(there)}, not ${kvHeadsText(headShape)}`,
    ],
  ];
}

function kvHeadsText({ kvHeadCount, headSize }: LayerHeads): string {
  return `${kvHeadCount} heads of ${headSize}`;
}

/** What sees everything is sealed in records of one size. */
function attentionGaps(layer: LayerPlan, shape: ModelShape): Gap[] {
  const { attention } = layer;
  const { queryNorm, keyNorm, window } = attention;
  const heads = kvHeadsText(attention.headShape);
  const sealedHeads = kvHeadsText(shape);
  const hasKeys = attention.heads.length > 1;
  return [
    [
      window === null && !haveSameKeys(attention.headShape, shape),
      `sees everything, with keys and values of ${heads} where others have ${sealedHeads}`,
    ],
    [hasKeys && queryNorm?.over !== keyNorm?.over, "norms query and key heads differently"],
    [attention.latent !== null && window !== null, "sees a window of latents"],
    [
      attention.outputBias !== null && attention.normAfter !== null,
      "adds a bias to what attention gives, and norms it",
    ],
  ];
}

function feedForwardGaps({ feedForward }: LayerPlan): Gap[] {
  const { experts, normAfter } = feedForward;
  return [
    [experts !== null && normAfter !== null, "norms what experts give"],
  ];
}

function endGaps({ feedForward, input, factor }: LayerPlan): Gap[] {
  const isNormed = input !== null || feedForward.normAfter !== null;
  return [
    [factor !== null && !isNormed, "multiplies the residual stream, but norms nothing it adds"],
  ];
}

function refuseFirst(subject: string, gaps: readonly Gap[]): void {
  const gap = gaps.find(([isAsked]) => isAsked);
  if (gap === undefined) return;
  const [, what] = gap;
  throw new EngineError("model_unsupported", `Cannot run this model: ${subject} ${what}`);
}
