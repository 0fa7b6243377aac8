import {
  ActivationQuantiseKernel,
  SIDE_WORDS,
} from "../../src/kernels/activation_quantise/groups.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const columnCount = 4096;
const kernel = await ActivationQuantiseKernel.create(gpu, { columnCount, normEpsilon: 1e-6 });

for (const rowCount of [1, 64]) {
  const count = rowCount * columnCount;
  const bound = kernel.bind({
    x: gpu.createBuffer("x", count * 4),
    normWeight: gpu.createBuffer("norm weight", columnCount * 4),
    codes: gpu.createBuffer("codes", count),
    sides: gpu.createBuffer("sides", count / 32 * SIDE_WORDS * 4),
  });
  const options = {
    group: `activation_quantise [${rowCount}, ${columnCount}]`,
    baseline: true,
    work: { bytes: count * 5 + count / 4 },
  };
  benchKernel("one workgroup per row", options, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
