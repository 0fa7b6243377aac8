/**
 * What of a plan the layer stack cannot run: a missing feature is refused by name, never
 * skipped.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { LayerPlan, ModelPlan } from "./plan.ts";

/**
 * Refuses a plan that asks for more than there is.
 *
 * @throws {EngineError} `model_unsupported` that names the first such feature, and its layer.
 */
export function checkPlan(plan: ModelPlan): void {
  const softCaps = plan.layers.map(({ attention }) => attention.softCap);
  const windows = plan.layers.map(({ attention }) => attention.window);
  refuseFirst("it", [
    [new Set(softCaps).size > 1, `caps the scores of its layers differently: ${softCaps}`],
    [!windows.includes(null), "attends to a window in every layer"],
  ]);
  for (const [index, layer] of plan.layers.entries()) {
    refuseFirst(`layer ${index}`, sharingGaps(plan, index));
    refuseFirst(`layer ${index}`, attentionGaps(layer));
    refuseFirst(`layer ${index}`, feedForwardGaps(layer));
  }
}

type Gap = [isAsked: boolean, what: string];

/** A layer that reads the keys and values of another projects queries only. */
function sharingGaps({ layers }: ModelPlan, index: number): Gap[] {
  const { keyValueLayer, heads, keyNorm, window } = layers[index].attention;
  const isOwn = keyValueLayer === index;
  const isOwnThere = layers[keyValueLayer]?.attention.keyValueLayer === keyValueLayer;
  const what = `attends to the keys and values of layer ${keyValueLayer}`;
  return [
    [keyValueLayer > index || !isOwnThere, `${what}, which does not make them before it`],
    [!isOwn && (heads.length > 1 || keyNorm !== null), `${what}, and makes its own`],
    [window !== layers[keyValueLayer]?.attention.window, `${what}, which sees another window`],
  ];
}

function attentionGaps({ attention }: LayerPlan): Gap[] {
  const { queryNorm, keyNorm } = attention;
  const hasKeys = attention.heads.length > 1;
  return [
    [hasKeys && queryNorm?.over !== keyNorm?.over, "norms query and key heads differently"],
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

function refuseFirst(subject: string, gaps: readonly Gap[]): void {
  const gap = gaps.find(([isAsked]) => isAsked);
  if (gap === undefined) return;
  const [, what] = gap;
  throw new EngineError("model_unsupported", `Cannot run this model: ${subject} ${what}`);
}
