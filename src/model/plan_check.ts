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
  refuseFirst("it", [
    [plan.head.softCap !== null, `caps the logits at ${plan.head.softCap}`],
  ]);
  for (const [index, layer] of plan.layers.entries()) {
    refuseFirst(`layer ${index}`, attentionGaps(layer, index));
    refuseFirst(`layer ${index}`, feedForwardGaps(layer));
  }
}

type Gap = [isAsked: boolean, what: string];

function attentionGaps({ attention }: LayerPlan, index: number): Gap[] {
  const { keyValueLayer, queryNorm, keyNorm } = attention;
  return [
    [queryNorm?.over !== keyNorm?.over, "norms query and key heads differently"],
    [keyValueLayer !== index, `attends to the keys and values of layer ${keyValueLayer}`],
    [attention.window !== null, `attends to a window of ${attention.window} tokens`],
    [attention.sinks !== null, "has attention sinks"],
    [attention.softCap !== null, `caps scores at ${attention.softCap}`],
    [attention.outputBias !== null, "adds a bias to what attention gives"],
  ];
}

function feedForwardGaps({ feedForward }: LayerPlan): Gap[] {
  const { activation, experts } = feedForward;
  return [
    [activation !== "silu", `activates gates by ${activation}`],
    [experts !== null, `mixes ${experts?.usedCount} of ${experts?.count} experts`],
  ];
}

function refuseFirst(subject: string, gaps: readonly Gap[]): void {
  const gap = gaps.find(([isAsked]) => isAsked);
  if (gap === undefined) return;
  const [, what] = gap;
  throw new EngineError("model_unsupported", `Cannot run this model: ${subject} ${what}`);
}
