import { assert, assertEquals } from "@std/assert";
import { readBuffer } from "../../src/gpu/read_back.ts";
import {
  ActivationQuantiseKernel,
  SIDE_WORDS,
} from "../../src/kernels/activation_quantise/groups.ts";
import { quantiseActivationsReference } from "../../src/reference/activation_quantise.ts";
import { submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** Of scales under a norm: f32 sums of up to 2,080 squares. */
const NMSE_MAX = 1e-12;

const CASES = [
  { columnCount: 64, rowCount: 1, why: "control" },
  { columnCount: 2080, rowCount: 3, why: "threads with different counts of groups" },
  { columnCount: 96, rowCount: 2, norm: true, why: "a norm before" },
];

for (const { columnCount, rowCount, norm = false, why } of CASES) {
  const name = `${rowCount} x ${columnCount} (${why})`;
  Deno.test(`ActivationQuantiseKernel makes its reference's codes at ${name}`, async () => {
    const x = seededNormals(rowCount * columnCount, 1);
    x[5] = 4e4; // an outlier
    x.fill(0, 32, 64); // a group of zeros
    for (let i = 0; i < 32; i++) x[x.length - 1 - i] *= 1e-30;
    // Near the largest number, of which the square under a norm would be infinite.
    if (columnCount > 96) x.subarray(64, 96).forEach((value, i) => x[64 + i] = 5e37 * value);
    const ownNorm = { weight: seededNormals(columnCount, 2), epsilon: 1e-5 };
    const found = await quantised(x, { columnCount, ...(norm ? { norm: ownNorm } : {}) });
    const wanted = quantiseActivationsReference(x, {
      columnCount,
      ...(norm ? { norm: ownNorm } : {}),
    });
    assertEquals(found.codes, wanted.codes);
    assert(wanted.codes.some((code) => Math.abs(code) === 127), "a largest code is there");
    if (norm) assertNear(found.scales, wanted.scales, NMSE_MAX);
    else assertEquals(found.scales, wanted.scales);
    const sums = Array.from(
      { length: wanted.codes.length / 16 },
      (_, half) =>
        wanted.codes.subarray(16 * half, 16 * half + 16).reduce((sum, code) => sum + code, 0),
    );
    assertEquals([...found.sums], sums);
  });
}

Deno.test("ActivationQuantiseKernel gives a scale that is no number to a group with infinity", async () => {
  const x = seededNormals(64, 1);
  x[40] = Infinity;
  const { scales } = await quantised(x, { columnCount: 64 });
  assertEquals([...scales].map(Number.isNaN), [false, true]);
});

async function quantised(
  x: Float32Array,
  { columnCount, norm }: {
    columnCount: number;
    norm?: { weight: Float32Array; epsilon: number };
  },
) {
  const gpu = await testGpu();
  const kernel = await ActivationQuantiseKernel.create(gpu, {
    columnCount,
    ...(norm ? { normEpsilon: norm.epsilon } : {}),
  });
  const codes = gpu.createBuffer("codes", x.length);
  const sides = gpu.createBuffer("sides", x.length / 32 * SIDE_WORDS * 4);
  const bound = kernel.bind({
    x: gpu.createBufferWith("x", x),
    codes,
    sides,
    ...(norm ? { normWeight: gpu.createBufferWith("norm", norm.weight) } : {}),
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, x.length / columnCount));
  const words = await readBuffer(gpu, sides, { sizeBytes: sides.size });
  const groups = Array.from({ length: x.length / 32 }, (_, group) => group);
  const floats = new Float32Array(words);
  const halves = new Int16Array(words);
  return {
    codes: new Int8Array(await readBuffer(gpu, codes, { sizeBytes: codes.size })),
    scales: Float32Array.from(groups, (group) => floats[SIDE_WORDS * group]),
    sums: groups.flatMap((group) => [halves[4 * group + 2], halves[4 * group + 3]]),
  };
}
