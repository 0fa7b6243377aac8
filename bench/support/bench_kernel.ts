/**
 * Timing of kernels: many dispatches in one submission, then one synchronous read, so that neither
 * the encoder nor the poll of an awaited map is what is measured.
 */

import type { Gpu } from "../../src/gpu/gpu.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { ReadBack } from "../../src/gpu/read_back.ts";

/** The device of a bench process, with a read-back that waits for the queue. */
export async function openBenchGpu(): Promise<{ gpu: Gpu; drain: () => Promise<void> }> {
  const gpu = await openGpu();
  gpu.onFailure = (code, message) => {
    throw new Error(`${code}: ${message}`);
  };
  const marker = gpu.createBuffer("marker", 16);
  const readBack = ReadBack.create(gpu, "marker", 16);
  const drain = async () => {
    const encoder = gpu.device.createCommandEncoder();
    readBack.encodeCopy(encoder, marker, { sizeBytes: 16 });
    gpu.device.queue.submit([encoder.finish()]);
    await readBack.read(16);
  };
  return { gpu, drain };
}

/** What one dispatch really has to do; printed as rates beside the time. */
export interface Work {
  bytes: number;
  macs?: number;
}

/**
 * Registers `Deno.bench` for `repeats` dispatches per iteration and prints GB/s and GMAC/s once.
 */
export function benchKernel(
  name: string,
  options: { group: string; baseline?: boolean; repeats?: number; work: Work },
  context: { gpu: Gpu; drain: () => Promise<void> },
  encode: (pass: GPUComputePassEncoder) => void,
): void {
  const { group, baseline = false, repeats = 10, work } = options;
  const { gpu, drain } = context;
  let best = Infinity;
  const run = async () => {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < repeats; i++) encode(pass);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    await drain();
  };
  Deno.bench({
    name: `${name} x${repeats}`,
    group,
    baseline,
    async fn(b) {
      b.start();
      const started = performance.now();
      await run();
      best = Math.min(best, performance.now() - started);
      b.end();
    },
  });
  globalThis.addEventListener("unload", () => {
    if (!Number.isFinite(best)) return;
    const seconds = best / 1000 / repeats;
    const rates = [`${(work.bytes / seconds / 1e9).toFixed(2)} GB/s`];
    if (work.macs) rates.push(`${(work.macs / seconds / 1e9).toFixed(2)} GMAC/s`);
    console.log(`${group} / ${name}: ${(seconds * 1000).toFixed(3)} ms, ${rates.join(", ")}`);
  });
}
