import { type MathInfo, productMath } from "../model/product_math.ts";
import { productWeights } from "../tuning/product_weights.ts";
import type { LoadedModel } from "./load_model.ts";

/**
 * How the products of a loaded model are made.
 *
 * @throws {EngineError} `invalid_request` if they cannot be made as the model was loaded for.
 */
export function mathInForce(model: LoadedModel): MathInfo {
  return productMath(model.math ?? "f32", {
    weights: productWeights(model).map(({ weights: [first] }) => first),
    hasExperts: model.plan.layers.some(({ feedForward }) => feedForward.experts !== null),
  });
}
