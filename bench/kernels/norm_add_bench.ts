import { NormAddKernel } from "../../src/kernels/norm_add/row.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const width = 4096;
const kernel = await NormAddKernel.create(gpu, { width, epsilon: 1e-6 });

for (const rowCount of [1, 64]) {
  const make = (label: string, count: number) => gpu.createBuffer(label, count * 4);
  const bound = kernel.bind({
    given: make("given", rowCount * width),
    weight: make("weight", width),
    x: make("x", rowCount * width),
  });
  const work = { bytes: rowCount * width * 12 };
  const options = { group: `norm_add [${rowCount}, ${width}]`, baseline: true, work };
  benchKernel("one workgroup per row", options, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
