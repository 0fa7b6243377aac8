import { assertEquals } from "@std/assert";
import { NormAddKernel } from "../../src/kernels/norm_add/row.ts";
import { normAddReference } from "../../src/reference/norm_add.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to 4,100 squares. */
const NMSE_MAX = 1e-12;

const CASES = [
  { width: 64, rowCount: 1, epsilon: 1e-6, why: "control" },
  { width: 36, rowCount: 3, epsilon: 0.1, why: "fewer columns than threads" },
  { width: 64, rowCount: 3, epsilon: 1e-6, factor: 0.3, why: "a factor of the sum" },
  { width: 4100, rowCount: 5, epsilon: 1e-5, why: "threads with different counts of columns" },
];

for (const { width, rowCount, epsilon, factor, why } of CASES) {
  Deno.test(`NormAddKernel matches its reference at ${rowCount} x ${width} (${why})`, async () => {
    const gpu = await testGpu();
    const given = seededNormals(rowCount * width, 1, 3);
    const weight = seededNormals(width, 2);
    // One row more than is encoded, which must stay.
    const before = seededNormals((rowCount + 1) * width, 3);
    const kernel = await NormAddKernel.create(gpu, {
      width,
      epsilon,
      hasFactor: factor !== undefined,
    });
    const x = gpu.createBufferWith("x", before);
    const bound = kernel.bind({
      given: gpu.createBufferWith("given", given),
      weight: gpu.createBufferWith("weight", weight),
      x,
      ...(factor === undefined
        ? {}
        : { factors: gpu.createBufferWith("factor", Float32Array.of(factor)) }),
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
    const after = await readF32(gpu, x, before.length);
    const end = rowCount * width;
    const expected = normAddReference(before.subarray(0, end), given, {
      weight,
      epsilon,
      ...(factor === undefined ? {} : { factor }),
    });
    assertNear(after.subarray(0, end), expected, NMSE_MAX);
    assertEquals(after.subarray(end), before.subarray(end));
  });
}
