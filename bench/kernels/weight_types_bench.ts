/**
 * Matrix products over each tensor type beside the same over Q4_1: elements per second as a ratio,
 * taken by turns in one process. On software Vulkan seconds are those that the process's threads
 * had a core: others that use the machine do not count.
 *
 *     deno run -A bench/kernels/weight_types_bench.ts [--rounds N] [TYPE ...]
 */

import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { MatmulKernel } from "../../src/kernels/matmul/rows.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { randomBlocks } from "../../tests/support/random_blocks.ts";
import { openBenchGpu } from "../support/bench_kernel.ts";

const OUTPUT_COUNT = 2048;
const COLUMN_COUNT = 1024;
/** Rows of x, and products in a submission. */
const CASES = [{ rowCount: 1, repeats: 40 }, { rowCount: 64, repeats: 2 }];
const BASE: TensorType = "Q4_1";

const { rounds, _: names } = parseArgs(Deno.args, { default: { rounds: 7 } });
const types = (names.length > 0 ? names : Object.keys(TENSOR_TYPES)) as TensorType[];
const { gpu, drain } = await openBenchGpu();

/** Seconds of a clock: that of the cores where they are the device. */
function seconds(): number {
  if (!gpu.facts.isFallback) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Seconds of `repeats` products over weights of `type`. */
async function productOf(type: TensorType, { rowCount, repeats }: typeof CASES[number]) {
  // Blocks of zeros would do for most, but those of MXFP4 have a scale that is slow: no normal f32.
  const bytes = randomBlocks(type, OUTPUT_COUNT * COLUMN_COUNT, 1);
  const source = { type, bytes, rowCount: OUTPUT_COUNT };
  const packed = packWeights([source], { columnCount: COLUMN_COUNT, bindingSizeMax: 2 ** 27 });
  const weights = uploadWeights(gpu, "weights", packed);
  const kernel = await MatmulKernel.create(gpu, { weights, output: { kind: "store" } });
  const rowCountMax = Math.max(4, rowCount);
  const x = gpu.createBufferWith("x", seededNormals(rowCountMax * COLUMN_COUNT, 1));
  const y = gpu.createBuffer("y", rowCountMax * OUTPUT_COUNT * 4);
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
}

const ratios: Record<string, Record<string, number>> = {};
for (const shape of CASES) {
  const base = await productOf(BASE, shape);
  for (const type of types) {
    const product = await productOf(type, shape);
    await base();
    await product();
    const taken: number[] = [];
    for (let round = 0; round < Number(rounds); round++) {
      const [before, own, after] = [await base(), await product(), await base()];
      taken.push((before + after) / 2 / own);
    }
    taken.sort((a, b) => a - b);
    const median = Number(taken[taken.length >> 1].toFixed(2));
    (ratios[type] ??= {})[`${shape.rowCount} rows`] = median;
    console.error(`${type} x ${shape.rowCount}: ${median} of ${BASE}`);
  }
}
console.log(JSON.stringify(ratios));
