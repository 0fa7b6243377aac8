import { ExpertSumKernel } from "../../src/kernels/expert_sum/row.ts";
import { expertSumReference } from "../../src/reference/expert_sum.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to 8 products. */
const NMSE_MAX = 1e-12;

const CASES = [
  { width: 64, usedCount: 2, rowCount: 1, factor: 1, why: "control" },
  { width: 260, usedCount: 8, rowCount: 5, factor: 1, why: "a second group of few columns" },
  { width: 1024, usedCount: 1, rowCount: 3, factor: 0.25, why: "one expert, a part added" },
];

for (const { width, usedCount, rowCount, factor, why } of CASES) {
  const name = `${rowCount} x ${width} of ${usedCount} experts (${why})`;
  Deno.test(`ExpertSumKernel matches its reference at ${name}`, async () => {
    const gpu = await testGpu();
    const visitCount = rowCount * usedCount;
    const given = seededNormals(visitCount * width, 1);
    const shares = seededNormals(visitCount, 2);
    const before = seededNormals(rowCount * width, 3);
    const kernel = await ExpertSumKernel.create(gpu, { width, usedCount, factor });
    const x = gpu.createBufferWith("x", before);
    const bound = kernel.bind({
      given: gpu.createBufferWith("given", given),
      shares: gpu.createBufferWith("shares", shares),
      x,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
    const expected = expertSumReference(before, { given, shares, usedCount, factor });
    assertNear(await readF32(gpu, x, before.length), expected, NMSE_MAX);
  });
}
