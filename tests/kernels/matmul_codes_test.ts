/** Products of activations as codes of 8 bits: the integers of their reference, on any device. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { MATMUL_CODES_SLICE_VARIANTS } from "../../src/kernels/matmul/variants.ts";
import { chooseVariant } from "../../src/kernels/variant.ts";
import { ADAPTERS } from "../support/adapters.ts";
import { type CodesProblem, type CodesResult, solveCodes } from "../support/codes_problem.ts";
import { bitsOf } from "../support/matmul_problem.ts";
import { assertNear } from "../support/numeric.ts";

/** f32 sums of blocks whose products are exact. */
const NMSE_MAX = 1e-12;

/** Two tiles of outputs, and one output more than three groups. */
const OUTPUT_COUNT = 97;

type Case = Omit<CodesProblem, "outputCount" | "runs" | "kind"> & {
  rowCount: number;
  why: string;
};

const CASES: Case[] = [
  { type: "Q8_0", columnCount: 96, rowCount: 1, bindingSizeMax: 6400, why: "parts of 64 rows" },
  { type: "Q4_0", columnCount: 576, rowCount: 2, way: "8 slices", why: "18 blocks in 8 slices" },
  { type: "Q4_1", columnCount: 96, rowCount: 3, norm: true, why: "minima, a norm" },
  { type: "Q5_0", columnCount: 64, rowCount: 1, why: "codes around 16" },
  { type: "Q5_1", columnCount: 64, rowCount: 1, why: "5 bits and minima" },
  { type: "Q4_K", columnCount: 512, rowCount: 1, why: "super-blocks" },
  { type: "Q5_K", columnCount: 256, rowCount: 1, why: "super-blocks of 5 bits" },
  { type: "Q6_K", columnCount: 512, rowCount: 5, why: "scales of 16 columns" },
];

for (const { why, rowCount, ...shape } of CASES) {
  const name = `${JSON.stringify({ rowCount, ...shape })} (${why})`;
  Deno.test(`products of codes match their reference, and those by tiles are the same bits, at ${name}`, async () => {
    const problem = { ...shape, outputCount: OUTPUT_COUNT };
    const [few] = await solveCodes({ ...problem, kind: "rows", runs: [{ rowCount }] });
    assertNear(few.y, few.expected, NMSE_MAX);
    // Once without dot4I8Packed; whole numbers do not outlive a norm.
    const hasDot4 = shape.type !== "Q5_0";
    const runs = [{ rowCount }, { rowCount: 17, isWhole: true }];
    const [slice, whole] = await solveCodes({ ...problem, kind: "tile", hasDot4, runs });
    assertEquals(bitsOf(slice.y), bitsOf(few.y));
    if (shape.norm) assertNear(whole.y, whole.expected, NMSE_MAX);
    else assertExact(whole);
  });
}

/** Sums of whole numbers are what they are in f64. */
function assertExact({ y, expected }: CodesResult): void {
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert(size > 100 && size < 2 ** 24, `whole numbers up to ${size} that f32 holds`);
  assertEquals(y, Float32Array.from(expected));
}

for (const type of ["Q4_1", "Q6_K"] as const) {
  const shape = { type, columnCount: 512, outputCount: OUTPUT_COUNT } as const;
  Deno.test(`MatmulCodesKernel gives a row of ${type} the same bits in any batch and without dot4I8Packed`, async () => {
    const [all, ...some] = await solveCodes({ ...shape, kind: "rows", runs: counts([4, 1, 2]) });
    const apart = { ...shape, kind: "rows", hasDot4: false, runs: counts([4]) } as const;
    assertSameRows([...some, ...await solveCodes(apart)], all);
    const [first, second] = [0, 1].map((row) =>
      all.y.subarray(row * OUTPUT_COUNT, (row + 1) * OUTPUT_COUNT)
    );
    assertNotEquals(bitsOf(first), bitsOf(second));
  });
}

Deno.test("MatmulCodesTileKernel gives a row the same bits in any slice by tiles of any size, those of MatmulCodesKernel", async () => {
  const shape = { type: "Q6_K", columnCount: 256, outputCount: OUTPUT_COUNT, norm: true } as const;
  const runs = counts([64, 1, 15, 16, 17, 32, 33, 63]);
  const [all, ...others] = await solveCodes({ ...shape, kind: "tile", runs });
  assertSameRows(others, all);
  for (const tileRowCount of [16, 32] as const) {
    const runs = counts([64, 17, 16]);
    assertSameRows(await solveCodes({ ...shape, kind: "tile", tileRowCount, runs }), all);
  }
  assertSameRows(await solveCodes({ ...shape, kind: "rows", runs: counts([64]) }), all);
});

function counts(rowCounts: readonly number[]): CodesProblem["runs"] {
  return rowCounts.map((rowCount) => ({ rowCount }));
}

/** As far as there are rows. */
function assertSameRows(some: readonly CodesResult[], all: CodesResult): void {
  for (const { y } of some) assertEquals(bitsOf(y), bitsOf(all.y.subarray(0, y.length)));
}

Deno.test("slices of codes go by tiles on every GPU, and by few rows at a time on a CPU", () => {
  const chosen = (facts: typeof ADAPTERS[string]) =>
    chooseVariant("matmul", MATMUL_CODES_SLICE_VARIANTS, { facts, shape: undefined }).name;
  for (const [adapter, facts] of Object.entries(ADAPTERS)) {
    assertEquals(chosen(facts), facts.isFallback ? "rows" : "tile", adapter);
  }
});
