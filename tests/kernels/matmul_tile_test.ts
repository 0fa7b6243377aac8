/** Products of slices by tiles, against the plain loops of the products of few rows. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import type { TileRowCount } from "../../src/kernels/matmul/row_counts.ts";
import { MATMUL_SLICE_VARIANTS } from "../../src/kernels/matmul/variants.ts";
import { chooseVariant } from "../../src/kernels/variant.ts";
import { ADAPTERS } from "../support/adapters.ts";
import {
  assertSolved,
  bitsOf,
  type MatmulProblem,
  solveMatmul,
} from "../support/matmul_problem.ts";

const CONTROL = {
  type: "Q4_1",
  rowCount: 3,
  outputCount: 64,
  columnCount: 96,
  way: "tile",
} as const;

const CASES: MatmulProblem[] = [
  ...(Object.keys(TENSOR_TYPES) as TensorType[]).map((type) => {
    return { ...CONTROL, type, columnCount: 256, why: "each type" };
  }),
  { ...CONTROL, rowCount: 1, columnCount: 32, outputCount: 1, why: "the least" },
  { ...CONTROL, rowCount: 70, outputCount: 100, norm: true, why: "two tiles of 64 rows, a norm" },
  { ...CONTROL, rowCount: 20, outputCount: 97, norm: true, why: "two tiles of 16 rows, a norm" },
  { ...CONTROL, rowCount: 33, outputCount: 160, bindingSizeMax: 6400, why: "parts of 96 rows" },
  { ...CONTROL, output: "add", factor: 0.25, why: "a part added" },
  { ...CONTROL, outputCount: 61, output: "addBiased", factor: 0.5, why: "biases" },
  { ...CONTROL, outputCount: 62, output: "silu", why: "gate and up, uneven" },
  { ...CONTROL, outputCount: 62, output: "gelu", why: "gate and up of GELU" },
  { ...CONTROL, outputCount: 62, output: "clamped", why: "clamped gate and up" },
  { ...CONTROL, outputCount: 33, output: "capped", why: "capped" },
];

for (const problem of CASES) {
  const { why, ...parameters } = problem;
  const name = `${JSON.stringify(parameters)} (${why})`;
  Deno.test(`MatmulTileKernel matches its reference at ${name}`, () => assertSolved(problem));
}

Deno.test("MatmulTileKernel gives a row the same bits in any slice, however large its tiles are", async () => {
  const shape = { ...CONTROL, outputCount: 96, columnCount: 576, norm: true, why: "" } as const;
  const all = await solveMatmul({ ...shape, rowCount: 64 });
  const slices: [tileRowCount: TileRowCount, rowCount: number][] = [
    ...[1, 15, 17, 32, 33, 63].map((count) => [64, count] as [64, number]),
    ...[16, 17, 64].map((count) => [32, count] as [32, number]),
    ...[15, 49].map((count) => [16, count] as [16, number]),
  ];
  for (const [tileRowCount, rowCount] of slices) {
    const some = await solveMatmul({ ...shape, rowCount, tileRowCount });
    const length = rowCount * shape.outputCount;
    assertEquals(bitsOf(some.y.subarray(0, length)), bitsOf(all.y.subarray(0, length)));
  }
  assertNotEquals(bitsOf(all.y.subarray(0, 96)), bitsOf(all.y.subarray(96, 192)));
});

Deno.test("slices go by tiles on every GPU, and by few rows at a time on a CPU", () => {
  const chosen = (facts: typeof ADAPTERS[string]) =>
    chooseVariant("matmul", MATMUL_SLICE_VARIANTS, { facts, shape: undefined }).name;
  for (const [adapter, facts] of Object.entries(ADAPTERS)) {
    assertEquals(chosen(facts), facts.isFallback ? "rows" : "tile", adapter);
  }
  assertEquals(chosen({ ...ADAPTERS["DX12"], workgroupMemoryBytesMax: 16 * 1024 - 1 }), "rows");
  const facts = { ...ADAPTERS["DX12"], tuned: { matmul: "tile of 32 rows" } };
  const tuned = chooseVariant("matmul", MATMUL_SLICE_VARIANTS, { facts, shape: undefined });
  assertEquals(tuned.tileRowCount, 32);
});
