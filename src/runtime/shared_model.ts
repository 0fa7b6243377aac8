/**
 * A loaded model of which layers share, with the weights of the one that is loaded.
 *
 * @module
 */

import { type SharedLayer, sharePlan, sharingGap } from "../model/shared_layers.ts";
import { borrowWeights } from "../model/shared_weights.ts";
import type { LoadedModel } from "./load_model.ts";

/** All pairs of layers of which the later one can read what the earlier one keeps. */
export function pairsThatCanShare({ plan: { layers } }: LoadedModel): SharedLayer[] {
  return layers.flatMap((_, layer) =>
    layers.flatMap((_, source) =>
      sharingGap(layers, { layer, source }) === null ? [{ layer, source }] : []
    )
  );
}

/**
 * Runs `body` with the model in which `pairs` share; the model itself stays as it is.
 *
 * @throws {EngineError} `model_unsupported` if one of them cannot.
 */
export async function withSharedLayers<T>(
  model: LoadedModel,
  pairs: readonly SharedLayer[],
  body: (shared: LoadedModel) => Promise<T>,
): Promise<T> {
  if (pairs.length === 0) return await body(model);
  const plan = sharePlan(model.plan, pairs);
  const { weights, destroy } = borrowWeights(model.gpu, { ...model, plan });
  try {
    return await body({ ...model, plan, weights, sharedLayers: pairs });
  } finally {
    destroy();
  }
}
