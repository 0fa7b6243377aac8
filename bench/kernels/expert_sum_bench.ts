import { ExpertSumKernel } from "../../src/kernels/expert_sum/row.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const width = 2048;
const usedCount = 8;
const kernel = await ExpertSumKernel.create(gpu, { width, usedCount });

for (const rowCount of [1, 64]) {
  const make = (label: string, wordCount: number) => gpu.createBuffer(label, wordCount * 4);
  const bound = kernel.bind({
    given: make("given", rowCount * usedCount * width),
    shares: make("shares", rowCount * usedCount),
    x: make("x", rowCount * width),
  });
  const work = { bytes: rowCount * width * (usedCount + 2) * 4 };
  const group = `expert_sum [${rowCount}, ${width}] of ${usedCount}`;
  benchKernel("4 columns a thread", { group, baseline: true, work }, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
