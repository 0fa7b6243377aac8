/**
 * Products of activations as codes of 8 bits beside those in f32, over the types of weights that
 * have codes: time in f32 by time as codes, taken by turns in one process; then, of the rows of a
 * slice, time by few rows at a time by time by tiles. On software Vulkan it is the time of the
 * process's threads.
 *
 *     deno run -A bench/kernels/matmul_codes_bench.ts [--rounds N] [TYPE ...]
 */

import { parseArgs } from "@std/cli/parse-args";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import type { MatmulCodesOptions } from "../../src/kernels/matmul/code_inputs.ts";
import { MatmulCodesKernel } from "../../src/kernels/matmul/codes.ts";
import { MatmulCodesTileKernel } from "../../src/kernels/matmul/codes_tile.ts";
import { MatmulSet } from "../../src/model/matmul_set.ts";
import type { ProductMath } from "../../src/model/product_math.ts";
import { openBenchGpu } from "../support/bench_kernel.ts";
import { medianRatio, randomWeights, timedProduct } from "../support/weight_products.ts";

/** Rows of x, and products in a submission. */
const CASES = [{ rowCount: 1, repeats: 20 }, { rowCount: 64, repeats: 1 }];

const { rounds, _: names } = parseArgs(Deno.args, { default: { rounds: 7 } });
const types = (names.length > 0 ? names : ["Q8_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K"]) as TensorType[];
const context = await openBenchGpu();
const { gpu } = context;

const ratios: Record<string, Record<string, number>> = {};
for (const type of types) {
  const weights = randomWeights(gpu, type);
  for (const shape of CASES) {
    const { rowCount } = shape;
    const productIn = async (math: ProductMath) => {
      const matmuls = new MatmulSet(gpu, { normEpsilon: 1e-5, math });
      const use = { hasNorm: false, isSlice: rowCount === 64 };
      const kernel = await matmuls.get(weights, { kind: "store" }, use);
      return timedProduct(context, { kernel, weights }, shape);
    };
    const [inF32, asCodes] = [await productIn("f32"), await productIn("int8")];
    const median = await medianRatio(inF32, asCodes, Number(rounds));
    (ratios[type] ??= {})[`${rowCount} rows`] = median;
    console.error(`${type} x ${rowCount}: ${median}`);
  }
  const scratch = (label: string, sizeBytes: number) => gpu.createBuffer(label, sizeBytes);
  const options: MatmulCodesOptions = { weights, output: { kind: "store" }, scratch };
  const slice = CASES[1];
  const [rows, tile] = [
    timedProduct(context, { kernel: await MatmulCodesKernel.create(gpu, options), weights }, slice),
    timedProduct(
      context,
      { kernel: await MatmulCodesTileKernel.create(gpu, options), weights },
      slice,
    ),
  ];
  const byTiles = await medianRatio(rows, tile, Number(rounds));
  ratios[type]["64 rows by tiles"] = byTiles;
  console.error(`${type} x ${slice.rowCount} by tiles: ${byTiles}`);
}
console.log(JSON.stringify(ratios));
