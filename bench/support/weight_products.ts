/**
 * Products over random weights, timed by turns in one process. On software Vulkan seconds are those
 * that the process's threads had a core: others that use the machine do not count.
 */

import process from "node:process";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import type { Matmul } from "../../src/kernels/matmul/product.ts";
import { type DeviceWeights, uploadWeights } from "../../src/kernels/weight_layout.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { randomBlocks } from "../../tests/support/random_blocks.ts";
import type { openBenchGpu } from "./bench_kernel.ts";

const OUTPUT_COUNT = 2048;
const COLUMN_COUNT = 1024;

/** Runs products once; seconds that they took. */
export type TimedProduct = () => Promise<number>;

/** Weights of a type on the device. */
export function randomWeights(gpu: Gpu, type: TensorType): DeviceWeights {
  // Blocks of zeros would do for most, but those of MXFP4 have a scale that is slow: no normal f32.
  const bytes = randomBlocks(type, OUTPUT_COUNT * COLUMN_COUNT, 1);
  const source = { type, bytes, rowCount: OUTPUT_COUNT };
  const packed = packWeights([source], { columnCount: COLUMN_COUNT, bindingSizeMax: 2 ** 27 });
  return uploadWeights(gpu, "weights", packed);
}

/** `repeats` products of `rowCount` rows of x in a submission. */
export function timedProduct(
  { gpu, drain }: Awaited<ReturnType<typeof openBenchGpu>>,
  { kernel, weights }: { kernel: Matmul; weights: DeviceWeights },
  { rowCount, repeats }: { rowCount: number; repeats: number },
): TimedProduct {
  const rowCountMax = Math.max(4, rowCount);
  const x = gpu.createBufferWith("x", seededNormals(rowCountMax * COLUMN_COUNT, 1));
  const y = gpu.createBuffer("y", rowCountMax * OUTPUT_COUNT * 4);
  const bound = kernel.bind({ weights, x, y });
  return async () => {
    const started = seconds(gpu);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < repeats; i++) kernel.encode(pass, bound, rowCount);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    await drain();
    return seconds(gpu) - started;
  };
}

/** Median over rounds of the seconds of `base`, before and after, by those of `own`. */
export async function medianRatio(
  base: TimedProduct,
  own: TimedProduct,
  rounds: number,
): Promise<number> {
  await base();
  await own();
  const taken: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [before, during, after] = [await base(), await own(), await base()];
    taken.push((before + after) / 2 / during);
  }
  taken.sort((a, b) => a - b);
  return Number(taken[taken.length >> 1].toFixed(2));
}

/** Seconds of a clock: that of the cores where they are the device. */
function seconds({ facts }: Gpu): number {
  if (!facts.isFallback) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
