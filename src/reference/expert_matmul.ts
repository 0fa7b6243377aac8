import { matmulReference } from "./matmul.ts";

/**
 * CPU twin of `shaders/expert_matmul/rows.wgsl` without what it may do with x and its outputs, in
 * f64: of each visit the product of its row with the weight of its expert.
 *
 * @param weight `[experts, outputs, columns]`.
 * @param x `[rows, columns]`; visits share a row where they are more.
 * @param options `choices`: the expert of each visit. `biases`: `[experts, outputs]`.
 * @returns `[visits, outputs]`.
 */
export function expertMatmulReference(
  weight: Float32Array,
  x: Float64Array,
  options: {
    expertCount: number;
    columnCount: number;
    choices: readonly number[];
    biases: ArrayLike<number> | null;
  },
): Float64Array {
  const { expertCount, columnCount, choices, biases } = options;
  const outputCount = weight.length / expertCount / columnCount;
  const visitsPerRow = choices.length / (x.length / columnCount);
  const y = new Float64Array(choices.length * outputCount);
  for (const [visit, expert] of choices.entries()) {
    const start = Math.floor(visit / visitsPerRow) * columnCount;
    const own = weight.subarray(
      expert * outputCount * columnCount,
      (expert + 1) * outputCount * columnCount,
    );
    const product = matmulReference(own, x.subarray(start, start + columnCount), { columnCount });
    const bias = (output: number) => biases === null ? 0 : biases[expert * outputCount + output];
    y.set(product.map((value, output) => value + bias(output)), visit * outputCount);
  }
  return y;
}
