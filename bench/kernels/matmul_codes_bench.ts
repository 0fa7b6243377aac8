/**
 * Products of activations as codes of 8 bits beside those in f32, over the types of weights that
 * have codes: time in f32 by time as codes, taken by turns in one process. On software Vulkan it is
 * the time of the process's threads.
 *
 *     deno run -A bench/kernels/matmul_codes_bench.ts [--rounds N] [TYPE ...]
 */

import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { MatmulSet } from "../../src/model/matmul_set.ts";
import type { ProductMath } from "../../src/model/product_math.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { randomBlocks } from "../../tests/support/random_blocks.ts";
import { openBenchGpu } from "../support/bench_kernel.ts";

const OUTPUT_COUNT = 2048;
const COLUMN_COUNT = 1024;
/** Rows of x, and products in a submission. */
const CASES = [{ rowCount: 1, repeats: 20 }, { rowCount: 64, repeats: 1 }];

const { rounds, _: names } = parseArgs(Deno.args, { default: { rounds: 7 } });
const types = (names.length > 0 ? names : ["Q8_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K"]) as TensorType[];
const { gpu, drain } = await openBenchGpu();

function seconds(): number {
  if (!gpu.facts.isFallback) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const ratios: Record<string, Record<string, number>> = {};
for (const type of types) {
  const bytes = randomBlocks(type, OUTPUT_COUNT * COLUMN_COUNT, 1);
  const source = { type, bytes, rowCount: OUTPUT_COUNT };
  const packed = packWeights([source], { columnCount: COLUMN_COUNT, bindingSizeMax: 2 ** 27 });
  const weights = uploadWeights(gpu, "weights", packed);
  for (const { rowCount, repeats } of CASES) {
    const productIn = async (math: ProductMath) => {
      const rowCountMax = Math.max(4, rowCount);
      const x = gpu.createBufferWith("x", seededNormals(rowCountMax * COLUMN_COUNT, 1));
      const y = gpu.createBuffer("y", rowCountMax * OUTPUT_COUNT * 4);
      const matmuls = new MatmulSet(gpu, { normEpsilon: 1e-5, math });
      const use = { hasNorm: false, isSlice: rowCount === 64 };
      const kernel = await matmuls.get(weights, { kind: "store" }, use);
      const bound = kernel.bind({ weights, x, y });
      return async () => {
        const started = seconds();
        const encoder = gpu.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        for (let i = 0; i < repeats; i++) kernel.encode(pass, bound, rowCount);
        pass.end();
        gpu.device.queue.submit([encoder.finish()]);
        await drain();
        return seconds() - started;
      };
    };
    const [inF32, asCodes] = [await productIn("f32"), await productIn("int8")];
    await inF32();
    await asCodes();
    const taken: number[] = [];
    for (let round = 0; round < Number(rounds); round++) {
      const [before, own, after] = [await inF32(), await asCodes(), await inF32()];
      taken.push((before + after) / 2 / own);
    }
    taken.sort((a, b) => a - b);
    const median = Number(taken[taken.length >> 1].toFixed(2));
    (ratios[type] ??= {})[`${rowCount} rows`] = median;
    console.error(`${type} x ${rowCount}: ${median}`);
  }
}
console.log(JSON.stringify(ratios));
