import { RmsNormKernel } from "../../src/kernels/rms_norm.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const columnCount = 576;

for (const rowCount of [1, 64]) {
  const kernel = await RmsNormKernel.create(gpu, { columnCount, epsilon: 1e-5 });
  const bound = kernel.bind({
    x: gpu.createBufferWith("x", seededNormals(rowCount * columnCount, 1)),
    weight: gpu.createBufferWith("weight", seededNormals(columnCount, 2)),
    y: gpu.createBuffer("y", rowCount * columnCount * 4),
  });
  const work = { bytes: (2 * rowCount + 1) * columnCount * 4 };
  const options = { group: `rms_norm [${rowCount}, ${columnCount}]`, baseline: true, work };
  benchKernel("one workgroup per row", options, context, (pass) => {
    kernel.record(pass, bound, rowCount);
  });
}
