import { ExpertRouteKernel } from "../../src/kernels/expert_route/rows.ts";
import { bundleCapacityWords } from "../../src/kernels/expert_bundles.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
/** Of Qwen3-30B-A3B. */
const counts = { expertCount: 128, usedCount: 8 };
const { expertCount, usedCount } = counts;
const kernel = await ExpertRouteKernel.create(gpu, counts);

for (const rowCount of [1, 4, 64]) {
  const make = (label: string, wordCount: number) => gpu.createBuffer(label, wordCount * 4);
  const bound = kernel.bind({
    logits: gpu.createBufferWith("logits", seededNormals(rowCount * expertCount, 1)),
    biases: make("biases", expertCount),
    choices: make("choices", rowCount * usedCount),
    shares: make("shares", rowCount * usedCount),
    bundles: make("bundles", bundleCapacityWords(counts, rowCount)),
  });
  const work = { bytes: rowCount * (expertCount + 4 * usedCount) * 4 };
  const group = `expert_route ${rowCount} rows, ${usedCount} of ${expertCount}`;
  benchKernel("rows, then bundles", { group, baseline: true, work }, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
