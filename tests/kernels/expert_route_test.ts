import { assertEquals } from "@std/assert";
import { ExpertRouteKernel, type ExpertRouteOptions } from "../../src/kernels/expert_route/rows.ts";
import {
  bundleCapacityWords,
  bundleCountMax,
  bundleSize,
  bundleWordCount,
  headBundleWords,
  ROWS_ROOM,
  TILE_ROOM,
} from "../../src/kernels/expert_bundles.ts";
import { expertRouteReference } from "../../src/reference/expert_route.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to 8 exponentials. */
const NMSE_MAX = 1e-12;

interface Case extends ExpertRouteOptions {
  rowCount: number;
  ties?: boolean;
  /** Logits of all experts, of one row after the other from the first on. */
  low?: number[];
  why: string;
}

const CASES: Case[] = [
  { expertCount: 8, usedCount: 2, rowCount: 1, why: "control" },
  { expertCount: 8, usedCount: 2, rowCount: 2, why: "bundles of two rows" },
  { expertCount: 8, usedCount: 2, rowCount: 64, why: "bundles of four rows, many of each expert" },
  { expertCount: 32, usedCount: 4, rowCount: 3, why: "bundles of four with fewer rows" },
  { expertCount: 128, usedCount: 8, rowCount: 64, why: "more pairs than threads" },
  { expertCount: 512, usedCount: 8, rowCount: 64, why: "more turns than a driver makes" },
  { expertCount: 5, usedCount: 5, rowCount: 7, why: "all experts" },
  { expertCount: 3, usedCount: 1, rowCount: 70, why: "more rows than threads, one expert each" },
  { expertCount: 16, usedCount: 4, rowCount: 9, shareScale: 2.5, why: "scaled shares" },
  { expertCount: 16, usedCount: 4, rowCount: 9, ties: true, why: "equal scores" },
  { expertCount: 16, usedCount: 4, rowCount: 9, shares: "softmax of all", why: "shares of all" },
  { expertCount: 16, usedCount: 4, rowCount: 9, shares: "sigmoid", why: "logistic functions" },
  { expertCount: 16, usedCount: 4, rowCount: 9, shares: "sigmoid by sum", why: "the same, by sum" },
  {
    expertCount: 16,
    usedCount: 4,
    rowCount: 9,
    shares: "sigmoid by sum",
    low: [-200, -12],
    why: "sums of zero, and below the least that divides",
  },
  {
    expertCount: 256,
    usedCount: 8,
    rowCount: 64,
    shares: "sigmoid by sum",
    groups: { count: 8, usedCount: 4 },
    why: "groups of DeepSeek V3",
  },
  {
    expertCount: 12,
    usedCount: 4,
    rowCount: 70,
    groups: { count: 6, usedCount: 2 },
    ties: true,
    why: "equal groups, more rows than threads, all experts of the used groups",
  },
  { expertCount: 8, usedCount: 2, rowCount: 64, room: TILE_ROOM, why: "tiles, some not full" },
  { expertCount: 8, usedCount: 2, rowCount: 2, room: TILE_ROOM, why: "tiles of two rows" },
  { expertCount: 5, usedCount: 5, rowCount: 32, room: TILE_ROOM, why: "full tiles of all experts" },
];

for (const { rowCount, ties = false, low = [], why, ...options } of CASES) {
  const name = `${JSON.stringify(options)} x ${rowCount} (${why})`;
  Deno.test(`ExpertRouteKernel matches its reference at ${name}`, async () => {
    const { expertCount, usedCount, room } = options;
    const logits = seededNormals(rowCount * expertCount, 1, 3);
    const biases = seededNormals(expertCount, 2);
    if (ties) {
      logits.forEach((value, i) => logits[i] = Math.round(value));
      biases.fill(0.5);
    }
    low.forEach((value, row) => logits.fill(value, row * expertCount, (row + 1) * expertCount));
    const routed = await route(options, { logits, biases, rowCount });
    const expected = expertRouteReference(logits, {
      ...options,
      biases,
      bundleSize: bundleSize(rowCount, room),
    });
    assertEquals(routed.choices, expected.choices);
    assertNear(routed.shares, expected.shares, NMSE_MAX);
    assertEquals(routed.bundles, expected.bundles);
    assertEquals(
      routed.bundles.length <= bundleCountMax({ expertCount, usedCount, room }, rowCount),
      true,
    );
  });
}

Deno.test("ExpertRouteKernel gives each row different experts even if scores are NaN", async () => {
  const options = { expertCount: 8, usedCount: 4 };
  const rowCount = 3;
  const logits = seededNormals(rowCount * options.expertCount, 1);
  logits.fill(NaN, 8, 16);
  logits[17] = NaN;
  const biases = new Float32Array(options.expertCount);
  const { choices } = await route(options, { logits, biases, rowCount });
  for (let row = 0; row < rowCount; row++) {
    const chosen = new Set(choices.slice(row * 4, row * 4 + 4));
    assertEquals([chosen.size, [...chosen].every((expert) => expert < 8)], [4, true]);
  }
});

Deno.test("headBundleWords() groups rows as if all went through all heads, in bundles of any room", () => {
  for (const room of [ROWS_ROOM, TILE_ROOM] as const) {
    for (const rowCount of [1, 2, 5, 33]) {
      const expected = expertRouteReference(new Float32Array(rowCount * 3), {
        biases: new Float32Array(3),
        usedCount: 3,
        bundleSize: bundleSize(rowCount, room),
      });
      const words = headBundleWords(3, rowCount, room);
      const wordCount = bundleWordCount(room);
      const bundles = Array.from({ length: words.length / wordCount }, (_, index) => {
        const own = [...words.subarray(index * wordCount, (index + 1) * wordCount)];
        const [expert, count] = own.slice(room);
        return { expert, visits: own.slice(0, count) };
      });
      assertEquals(bundles.filter(({ visits }) => visits.length > 0), expected.bundles);
    }
  }
});

/** What the device makes; bundles as far as they have visits. */
async function route(
  options: ExpertRouteOptions,
  inputs: { logits: Float32Array; biases: Float32Array; rowCount: number },
) {
  const { logits, biases, rowCount } = inputs;
  const gpu = await testGpu();
  const visitCount = rowCount * options.usedCount;
  const { room = ROWS_ROOM } = options;
  const wordCount = bundleWordCount(room);
  const kernel = await ExpertRouteKernel.create(gpu, options);
  const choices = gpu.createBuffer("choices", visitCount * 4);
  const shares = gpu.createBuffer("shares", visitCount * 4);
  // What an earlier step left must not be taken for bundles of this one.
  const stale = new Uint32Array(bundleCapacityWords(options, rowCount)).fill(1);
  const bundles = gpu.createBufferWith("bundles", stale);
  const bound = kernel.bind({
    logits: gpu.createBufferWith("logits", logits),
    biases: gpu.createBufferWith("biases", biases),
    choices,
    shares,
    bundles,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
  const words = await readU32(gpu, bundles, stale.length);
  const found = Array.from({ length: stale.length / wordCount }, (_, index) => {
    const own = words.subarray(index * wordCount, (index + 1) * wordCount);
    const [visits, [expert, count]] = [own.subarray(0, room), own.subarray(room)];
    const isFilledUp = [...visits.subarray(count)].every((each) => each === visits[0]);
    assertEquals(isFilledUp || count === 0 || room !== ROWS_ROOM, true);
    return { expert, visits: [...visits.subarray(0, count)] };
  });
  return {
    choices: [...await readU32(gpu, choices, visitCount)],
    shares: await readF32(gpu, shares, visitCount),
    bundles: found.filter(({ visits }) => visits.length > 0),
  };
}
