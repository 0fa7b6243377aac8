import { assertEquals, assertNotEquals } from "@std/assert";
import { divExact } from "../../src/core/shapes.ts";
import { ROWS_ROOM, TILE_ROOM } from "../../src/kernels/expert_bundles.ts";
import { expertRoom } from "../../src/kernels/expert_matmul/variants.ts";
import { ADAPTERS } from "../support/adapters.ts";
import { type ExpertProblem, solveExperts } from "../support/expert_problem.ts";
import { testGpu } from "../support/gpu.ts";
import { bitsOf } from "../support/matmul_problem.ts";
import { assertNear } from "../support/numeric.ts";

/** f32 sums of up to a thousand products, and an exponential. */
const NMSE_MAX = 1e-12;

type Case = ExpertProblem & { why: string };

const CONTROL = {
  type: "F16",
  expertCount: 4,
  usedCount: 2,
  rowCount: 1,
  outputCount: 64,
  columnCount: 96,
} as const;

/** In several tiles of each expert, with all that may be done before and after. */
const TILE: ExpertProblem = {
  ...CONTROL,
  type: "Q4_1",
  rowCount: 37,
  outputCount: 160,
  columnCount: 160,
  output: "clamped",
  hasBiases: true,
  norm: true,
  way: "tile",
};

const CASES: Case[] = [
  { ...CONTROL, why: "control" },
  { ...CONTROL, rowCount: 2, why: "bundles of two" },
  { ...CONTROL, rowCount: 3, why: "bundles that are not full" },
  { ...CONTROL, rowCount: 21, why: "several bundles of an expert" },
  { ...CONTROL, rowCount: 5, input: "visit", why: "an input of each visit" },
  { ...CONTROL, rowCount: 5, output: "silu", norm: true, why: "gate and up of the norm" },
  { ...CONTROL, rowCount: 5, hasBiases: true, input: "visit", why: "biases" },
  { ...CONTROL, rowCount: 5, output: { gated: "gelu" }, hasBiases: true, norm: true, why: "gates" },
  { ...CONTROL, rowCount: 5, output: "clamped", hasBiases: true, norm: true, why: "clamped" },
  { ...CONTROL, rowCount: 2, output: "gelu", why: "gate and up of GELU" },
  { ...CONTROL, rowCount: 9, bindingSizeMax: 25_000, why: "parts of two experts" },
  { ...CONTROL, rowCount: 9, bindingSizeMax: 13_000, usedCount: 3, why: "parts of one expert" },
  { ...CONTROL, type: "Q4_K", columnCount: 512, rowCount: 6, why: "super-blocks" },
  {
    ...CONTROL,
    type: "Q6_K",
    columnCount: 256,
    rowCount: 6,
    bindingSizeMax: 20_000,
    why: "6 bits",
  },
  { ...CONTROL, rowCount: 7, way: "slices", norm: true, why: "by slices" },
  { ...TILE, why: "tiles of 1 to 16 visits, a norm, uneven outputs and blocks" },
  {
    ...TILE,
    type: "Q6_K",
    outputCount: 32,
    columnCount: 256,
    output: "store",
    norm: false,
    input: "visit",
    bindingSizeMax: 8_500,
    usedCount: 3,
    why: "tiles of super-blocks, an input of each visit, parts of two experts",
  },
];

for (const problem of CASES) {
  const { why, ...parameters } = problem;
  const kernel = problem.way === "tile" ? "ExpertMatmulTileKernel" : "ExpertMatmulKernel";
  const name = `${JSON.stringify(parameters)} (${why})`;
  Deno.test(`${kernel} matches its reference at ${name}`, async () => {
    const { y, expected } = await solveExperts(problem);
    assertNear(y, expected, NMSE_MAX);
  });
}

for (const way of ["subgroup", "slices"] as const) {
  Deno.test(`ExpertMatmulKernel gives a row the same bits in any batch, by ${way}`, async () => {
    const { facts } = await testGpu();
    // By subgroup needs subgroups of 8; what the kernel takes elsewhere is the other way.
    const how = facts.subgroupSizeMax === 8 || way === "slices" ? { way } : {};
    const problem = { ...CONTROL, ...how, type: "Q4_K", columnCount: 256, norm: true } as const;
    const all = await solveExperts({ ...problem, rowCount: 12 });
    const rowLength = divExact(all.y.length, 12);
    for (const rowCount of [1, 2, 3, 7]) {
      const { y } = await solveExperts({ ...problem, rowCount });
      assertEquals(bitsOf(y), bitsOf(all.y.subarray(0, rowCount * rowLength)));
    }
    assertNotEquals(bitsOf(all.y.subarray(0, 64)), bitsOf(all.y.subarray(64, 128)));
  });
}

Deno.test("uploadExperts() refuses an expert that exceeds a binding, with its size", async () => {
  let message = "";
  await solveExperts({ ...CONTROL, bindingSizeMax: 4096 }).catch((error) => {
    message = error.message;
  });
  assertEquals(message, "Cannot bind an expert of weights: 12288 bytes exceed 4096");
});

Deno.test("ExpertMatmulTileKernel gives a row the same bits in any slice", async () => {
  const all = await solveExperts({ ...TILE, rowCount: 64 });
  const rowLength = divExact(all.y.length, 64);
  for (const rowCount of [1, 2, 3, 7, 33, 63]) {
    const { y } = await solveExperts({ ...TILE, rowCount });
    assertEquals(bitsOf(y), bitsOf(all.y.subarray(0, rowCount * rowLength)));
  }
  assertNotEquals(bitsOf(all.y.subarray(0, 64)), bitsOf(all.y.subarray(80, 144)));
});

Deno.test("slices go through experts by tiles on every GPU if these get 4 rows on average, and by few rows on a CPU", () => {
  const slice = { isSlice: true, expertCount: 128, usedCount: 8 };
  for (const [adapter, facts] of Object.entries(ADAPTERS)) {
    const room = facts.isFallback ? ROWS_ROOM : TILE_ROOM;
    assertEquals(expertRoom(facts, slice), room, adapter);
    assertEquals(expertRoom(facts, { ...slice, isSlice: false }), ROWS_ROOM, adapter);
    assertEquals(expertRoom(facts, { ...slice, expertCount: 129 }), ROWS_ROOM, adapter);
  }
  const small = { ...ADAPTERS["DX12"], workgroupMemoryBytesMax: 8 * 1024 };
  assertEquals(expertRoom(small, slice), ROWS_ROOM);
});
