/**
 * Matrix products over each tensor type beside the same over Q4_1: elements per second as a ratio,
 * taken by turns in one process. On software Vulkan seconds are those that the process's threads
 * had a core: others that use the machine do not count.
 *
 *     deno run -A bench/kernels/weight_types_bench.ts [--rounds N] [TYPE ...]
 */

import { parseArgs } from "@std/cli/parse-args";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { MatmulKernel } from "../../src/kernels/matmul/rows.ts";
import { openBenchGpu } from "../support/bench_kernel.ts";
import { medianRatio, randomWeights, timedProduct } from "../support/weight_products.ts";

/** Rows of x, and products in a submission. */
const CASES = [{ rowCount: 1, repeats: 40 }, { rowCount: 64, repeats: 2 }];
const BASE: TensorType = "Q4_1";

const { rounds, _: names } = parseArgs(Deno.args, { default: { rounds: 7 } });
const types = (names.length > 0 ? names : Object.keys(TENSOR_TYPES)) as TensorType[];
const context = await openBenchGpu();

/** Products over weights of `type`. */
async function productOf(type: TensorType, shape: typeof CASES[number]) {
  const weights = randomWeights(context.gpu, type);
  const kernel = await MatmulKernel.create(context.gpu, { weights, output: { kind: "store" } });
  return timedProduct(context, { kernel, weights }, shape);
}

const ratios: Record<string, Record<string, number>> = {};
for (const shape of CASES) {
  const base = await productOf(BASE, shape);
  for (const type of types) {
    const median = await medianRatio(base, await productOf(type, shape), Number(rounds));
    (ratios[type] ??= {})[`${shape.rowCount} rows`] = median;
    console.error(`${type} x ${shape.rowCount}: ${median} of ${BASE}`);
  }
}
console.log(JSON.stringify(ratios));
