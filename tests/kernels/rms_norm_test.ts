import { RmsNormKernel } from "../../src/kernels/rms_norm.ts";
import { rmsNormReference } from "../../src/reference/rms_norm.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to a few thousand squares: relative error well below 1e-6 per value. */
const NMSE_MAX = 1e-12;

const CASES = [
  { rowCount: 1, columnCount: 1, why: "one value" },
  { rowCount: 3, columnCount: 31, why: "fewer columns than lanes" },
  { rowCount: 2, columnCount: 576, why: "the default model's width" },
  { rowCount: 64, columnCount: 97, why: "a prime width, a full slice of rows" },
];

for (const { rowCount, columnCount, why } of CASES) {
  Deno.test(`RmsNormKernel matches its reference at [${rowCount}, ${columnCount}] (${why})`, async () => {
    const gpu = await testGpu();
    const x = seededNormals(rowCount * columnCount, 1);
    x[0] = 100; // an outlier, so that the norm is not close to 1
    const weight = seededNormals(columnCount, 2);
    const options = { columnCount, epsilon: 1e-5 };
    const kernel = await RmsNormKernel.create(gpu, options);
    const y = gpu.createBuffer("y", x.byteLength);
    const bound = kernel.bind({
      x: gpu.createBufferWith("x", x),
      weight: gpu.createBufferWith("weight", weight),
      y,
    });
    submitPass(gpu, (pass) => kernel.record(pass, bound, rowCount));
    assertNear(await readF32(gpu, y, x.length), rmsNormReference(x, weight, options), NMSE_MAX);
  });
}
