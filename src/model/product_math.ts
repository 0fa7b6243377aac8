/** What products of a model are made of: floats, or integers of codes. */

import { EngineError } from "../core/errors.ts";
import { isOfCodes } from "../kernels/matmul/code_inputs.ts";
import type { WeightFormat } from "../kernels/weight_formats.ts";
import type { WeightShape } from "../kernels/weight_layout.ts";
import type { GateUp, ModelWeights } from "./weights.ts";

/** `int8`: activations become codes of 8 bits where a weight has codes too. */
export type ProductMath = "f32" | "int8";

/** What is in force, and what stays as it is. */
export interface MathInfo {
  /** As it was asked for. */
  mode: ProductMath;
  /** What is multiplied in f32 all the same; null if nothing is left out. */
  note: string | null;
}

/**
 * What `mode` does for the products of a model.
 *
 * @throws {EngineError} `invalid_request` if none of the weights has codes.
 */
export function productMath(mode: ProductMath, model: ModelWeights): MathInfo {
  if (mode === "f32") return { mode, note: null };
  const products = [...productsOf(model).map(formatsOf), ...expertFormats(model)];
  const own = products.filter((formats) => formats.every(isOfCodes));
  const others = products.filter((formats) => !formats.every(isOfCodes)).flat();
  const apart = [
    ...(model.layers.some(({ experts }) => experts !== null) ? ["routers of experts"] : []),
    ...(model.layers.some(({ latent }) => latent !== null) ? ["heads of latents"] : []),
  ];
  if (own.length === 0) {
    throw new EngineError(
      "invalid_request",
      `Cannot multiply in int8: the model's weights are ${
        [namesOf(others), ...apart].join(", and ")
      }; wanted some of Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, Q5_1, Q4_0 or Q4_1`,
      { param: "math" },
    );
  }
  const left = [...(others.length > 0 ? [`weights of ${namesOf(others)}`] : []), ...apart];
  return { mode, note: left.length === 0 ? null : `${left.join(" and ")} in f32` };
}

/** All that is multiplied in int8 where it has codes: not routers, which choose experts. */
function productsOf({ layers, layerInputs, head }: ModelWeights): WeightShape[] {
  const ofLayers = layers.flatMap(({ heads, latent, attentionOutput, gated, shared, input }) => [
    heads,
    ...(latent === null
      ? []
      : [latent.queryDown, latent.contentQueries, latent.turnedQueries, latent.down]),
    attentionOutput,
    ...[gated, shared].flatMap((each) => each === null ? [] : productsOfGated(each)),
    ...(input === null ? [] : [input.gate, input.output]),
  ]);
  const all = [...ofLayers, layerInputs?.projection ?? null, head];
  return all.filter((each) => each !== null);
}

function productsOfGated<Weights>(
  { gateUp, down }: { gateUp: GateUp<Weights>; down: Weights },
): Weights[] {
  return "pairs" in gateUp ? [gateUp.pairs, down] : [gateUp.gate, gateUp.up, down];
}

/** Of each product with experts. */
function expertFormats({ layers }: ModelWeights): WeightFormat[][] {
  return layers.flatMap(({ experts }) => experts === null ? [] : productsOfGated(experts))
    .map(({ format }) => [format]);
}

function formatsOf({ parts }: WeightShape): WeightFormat[] {
  return parts.map(({ format }) => format);
}

function namesOf(formats: readonly WeightFormat[]): string {
  return [...new Set(formats)].join(", ");
}
