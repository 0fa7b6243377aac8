/** Products of experts with activations as codes of 8 bits: integers that every device makes. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { divExact } from "../../src/core/shapes.ts";
import { type ExpertProblem, solveExperts } from "../support/expert_problem.ts";
import { bitsOf } from "../support/matmul_problem.ts";
import { assertNear } from "../support/numeric.ts";

/** f32 sums of blocks whose products are exact, and an exponential. */
const NMSE_MAX = 1e-12;

const CONTROL = {
  type: "Q8_0",
  expertCount: 4,
  usedCount: 2,
  rowCount: 3,
  outputCount: 96,
  columnCount: 96,
} as const;

const CASES: (Omit<ExpertProblem, "codes" | "way"> & { why: string })[] = [
  { ...CONTROL, why: "control" },
  { ...CONTROL, rowCount: 37, input: "visit", hasBiases: true, why: "more than 16 visits, biases" },
  { ...CONTROL, type: "Q4_1", rowCount: 21, output: "clamped", norm: true, why: "pairs, a norm" },
  {
    ...CONTROL,
    type: "Q4_0",
    rowCount: 9,
    output: { gated: "gelu" },
    hasBiases: true,
    bindingSizeMax: 13_000,
    why: "gates, parts of one or two experts",
  },
  { ...CONTROL, type: "Q4_K", columnCount: 512, rowCount: 6, output: "silu", why: "super-blocks" },
  {
    ...CONTROL,
    type: "Q6_K",
    columnCount: 256,
    outputCount: 32,
    usedCount: 3,
    rowCount: 25,
    input: "visit",
    bindingSizeMax: 8_500,
    why: "scales of 16 columns, one group of outputs, parts",
  },
];

for (const { why, ...problem } of CASES) {
  const name = `${JSON.stringify(problem)} (${why})`;
  Deno.test(`products of codes of experts match their reference, and those by tiles are the same bits, at ${name}`, async () => {
    const few = await solveExperts({ ...problem, codes: "packed" });
    assertNear(few.y, few.expected, NMSE_MAX);
    const slice = await solveExperts({ ...problem, codes: "apart", way: "tile" });
    assertEquals(bitsOf(slice.y), bitsOf(few.y));
  });
}

Deno.test("a visit has the same bits in any batch and any slice, of codes too", async () => {
  const problem = { ...CONTROL, type: "Q4_K", columnCount: 256, norm: true } as const;
  const all = await solveExperts({ ...problem, rowCount: 12, codes: "packed" });
  const rowLength = divExact(all.y.length, 12);
  for (const how of [{}, { way: "tile" }] as const) {
    for (const rowCount of [1, 2, 7]) {
      const { y } = await solveExperts({ ...problem, rowCount, codes: "packed", ...how });
      assertEquals(bitsOf(y), bitsOf(all.y.subarray(0, rowCount * rowLength)));
    }
  }
  assertNotEquals(bitsOf(all.y.subarray(0, 64)), bitsOf(all.y.subarray(96, 160)));
});
