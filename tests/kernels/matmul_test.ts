import { testGpu } from "../support/gpu.ts";
import {
  assertSolved,
  bitsOf,
  type MatmulProblem,
  solveMatmul,
} from "../support/matmul_problem.ts";
import { assertEquals, assertNotEquals } from "@std/assert";

const CONTROL = { type: "Q4_1", rowCount: 1, outputCount: 64, columnCount: 96 } as const;

const CASES: MatmulProblem[] = [
  { ...CONTROL, why: "control" },
  { ...CONTROL, type: "Q4_0", why: "minimum from the scale" },
  { ...CONTROL, type: "Q8_0", why: "8 bits" },
  { ...CONTROL, type: "F16", why: "halves" },
  { ...CONTROL, type: "BF16", why: "bfloat16" },
  { ...CONTROL, type: "F32", why: "plain" },
  { ...CONTROL, type: "Q5_0", why: "5 bits, minimum from the scale" },
  { ...CONTROL, type: "Q5_1", why: "5 bits" },
  { ...CONTROL, type: "Q4_K", columnCount: 256, why: "one super-block" },
  { ...CONTROL, type: "Q5_K", rowCount: 2, columnCount: 512, why: "super-blocks of 5 bits" },
  { ...CONTROL, type: "Q6_K", rowCount: 4, columnCount: 768, why: "super-blocks of 6 bits" },
  { ...CONTROL, type: "Q4_K", rowCount: 5, columnCount: 512, norm: true, why: "with a norm" },
  { ...CONTROL, type: "Q6_K", way: "slices", columnCount: 256, why: "a slice per block" },
  { ...CONTROL, type: "Q5_K", way: "slices", columnCount: 768, why: "uneven slices" },
  { ...CONTROL, type: "MXFP4", rowCount: 3, why: "floats of 4 bits" },
  { ...CONTROL, type: "MXFP4", way: "slices", why: "a scale of each slice" },
  { ...CONTROL, type: "IQ4_NL", rowCount: 2, why: "values of a table" },
  { ...CONTROL, type: "IQ4_XS", columnCount: 512, why: "super-blocks of values of a table" },
  { ...CONTROL, type: "Q3_K", columnCount: 512, why: "super-blocks of 3 bits" },
  {
    ...CONTROL,
    type: "Q3_K",
    way: "slices",
    columnCount: 512,
    why: "half a vector a slice",
  },
  {
    ...CONTROL,
    type: "Q2_K",
    rowCount: 4,
    columnCount: 768,
    norm: true,
    why: "super-blocks of 2 bits",
  },
  { ...CONTROL, columnCount: 32, why: "one block of columns" },
  { ...CONTROL, outputCount: 1, why: "one output" },
  { ...CONTROL, outputCount: 31, why: "one output short of a group" },
  { ...CONTROL, outputCount: 33, why: "one output more than a group" },
  { ...CONTROL, rowCount: 2, outputCount: 97, why: "a prime number of outputs, two rows" },
  { ...CONTROL, rowCount: 3, why: "a tile of rows that is not full" },
  { ...CONTROL, rowCount: 4, why: "a full tile of rows" },
  { ...CONTROL, rowCount: 5, why: "one row in the last tile" },
  { ...CONTROL, rowCount: 8, norm: true, type: "Q6_K", columnCount: 256, why: "a tile of eight" },
  { ...CONTROL, rowCount: 15, type: "Q4_K", columnCount: 512, why: "two tiles of eight" },
  { ...CONTROL, rowCount: 67, outputCount: 61, type: "Q8_0", why: "more rows than a slice" },
  { ...CONTROL, rowCount: 4, output: "add", why: "added to what is there" },
  { ...CONTROL, rowCount: 2, output: "add", factor: 0.25, why: "a part added" },
  { ...CONTROL, rowCount: 2, outputCount: 61, output: "addBiased", factor: 0.5, why: "biases" },
  { ...CONTROL, rowCount: 3, output: "silu", why: "gate and up" },
  { ...CONTROL, rowCount: 2, outputCount: 62, output: "silu", why: "gate and up, uneven" },
  { ...CONTROL, rowCount: 3, outputCount: 62, output: "gelu", why: "gate and up of GELU" },
  { ...CONTROL, rowCount: 3, outputCount: 62, output: "clamped", why: "clamped gate and up" },
  { ...CONTROL, rowCount: 2, outputCount: 33, output: "capped", why: "capped" },
  ...(["silu", "gelu", "clamped"] as const).map((activation): MatmulProblem => {
    return { ...CONTROL, rowCount: 3, outputCount: 61, output: "gated", activation, why: "gates" };
  }),
  { ...CONTROL, norm: true, why: "norm" },
  { ...CONTROL, rowCount: 6, norm: true, columnCount: 576, why: "norm of a tile of rows" },
  { ...CONTROL, rowCount: 2, outputCount: 100, bindingSizeMax: 4096, why: "parts of 64 rows" },
  { ...CONTROL, outputCount: 576, columnCount: 1536, why: "the default model's widest product" },
  { ...CONTROL, way: "slices", columnCount: 32, why: "more slices than blocks" },
  { ...CONTROL, way: "slices", rowCount: 2, columnCount: 288, why: "uneven slices" },
  { ...CONTROL, way: "slices", rowCount: 5, norm: true, columnCount: 576, why: "norm" },
];

for (const problem of CASES) {
  const { why, ...parameters } = problem;
  const name = `${JSON.stringify(parameters)} (${why})`;
  Deno.test(`MatmulKernel matches its reference at ${name}`, () => assertSolved(problem));
}

/** By slices fewer: they compile for long, and the order of the sums is the same for all. */
const SAME_BITS = {
  subgroup: ["Q4_1", "Q8_0", "F16", "Q5_1", "Q4_K", "Q5_K", "Q6_K"],
  slices: ["Q4_1", "Q6_K"],
} as const;

for (const way of ["subgroup", "slices"] as const) {
  for (const type of SAME_BITS[way]) {
    const name = `a row of ${type} the same bits in any batch, by ${way}`;
    Deno.test(`MatmulKernel gives ${name}`, async () => {
      const columnCount = type.endsWith("K") ? 512 : 576;
      const shape = { type, outputCount: 96, columnCount, norm: true, why: "" };
      const facts = (await testGpu()).facts;
      // By subgroup needs subgroups of 8; what the kernel takes elsewhere is the other way.
      const how = facts.subgroupSizeMax === 8 || way === "slices" ? { way } : {};
      const all = await solveMatmul({ ...shape, ...how, rowCount: 16 });
      for (const rowCount of [1, 2, 3, 4, 5, 7, 8, 12]) {
        const some = await solveMatmul({ ...shape, ...how, rowCount });
        const length = rowCount * shape.outputCount;
        assertEquals(bitsOf(some.y.subarray(0, length)), bitsOf(all.y.subarray(0, length)));
      }
      // The rows differ, so equal bits are not those of one and the same row.
      assertNotEquals(bitsOf(all.y.subarray(0, 96)), bitsOf(all.y.subarray(96, 192)));
    });
  }
}
