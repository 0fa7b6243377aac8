/** What products of a model are made of: floats, or integers of codes. */

import { EngineError } from "../core/errors.ts";
import { hasCodes } from "../kernels/matmul/codes.ts";
import type { WeightFormat } from "../kernels/weight_formats.ts";
import type { WeightShape } from "../kernels/weight_layout.ts";

/** `int8`: activations become codes of 8 bits where a weight has codes too. */
export type ProductMath = "f32" | "int8";

/** What is in force, and what stays as it is. */
export interface MathInfo {
  /** As it was asked for. */
  mode: ProductMath;
  /** Of which formats products are made in f32 all the same; null if nothing is left out. */
  note: string | null;
}

/**
 * What `mode` does for the products of a model.
 *
 * @param options `weights`: of the products of layers and the head. `hasExperts`: if there are
 * experts beside them.
 * @throws {EngineError} `invalid_request` if none of the weights has codes.
 */
export function productMath(
  mode: ProductMath,
  { weights, hasExperts }: { weights: readonly WeightShape[]; hasExperts: boolean },
): MathInfo {
  if (mode === "f32") return { mode, note: null };
  const formats = (shapes: readonly WeightShape[]): WeightFormat[] => [
    ...new Set(shapes.flatMap(({ parts }) => parts.map(({ format }) => format))),
  ];
  const [own, others] = [weights.filter(hasCodes), weights.filter((each) => !hasCodes(each))];
  if (own.length === 0) {
    throw new EngineError(
      "invalid_request",
      `Cannot multiply in int8: the model's weights are ${formats(others).join(", ")}` +
        `${hasExperts ? ", and experts" : ""}; wanted some of Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, ` +
        "Q5_1, Q4_0 or Q4_1",
      { param: "math" },
    );
  }
  const left = [
    ...(others.length > 0 ? [`weights of ${formats(others).join(", ")}`] : []),
    ...(hasExperts ? ["experts"] : []),
  ];
  return { mode, note: left.length === 0 ? null : `${left.join(" and ")} in f32` };
}
