import { assertEquals } from "@std/assert";
import { ExpertRouteKernel, type ExpertRouteOptions } from "../../src/kernels/expert_route/rows.ts";
import {
  TILE_WORDS,
  tileCapacity,
  tileCountMax,
  tileSize,
} from "../../src/kernels/expert_tiles.ts";
import { expertRouteReference } from "../../src/reference/expert_route.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to 8 exponentials. */
const NMSE_MAX = 1e-12;

const CASES: (ExpertRouteOptions & { rowCount: number; ties?: boolean; why: string })[] = [
  { expertCount: 8, usedCount: 2, rowCount: 1, why: "control" },
  { expertCount: 8, usedCount: 2, rowCount: 2, why: "tiles of two rows" },
  { expertCount: 8, usedCount: 2, rowCount: 64, why: "tiles of four rows, many of each expert" },
  { expertCount: 32, usedCount: 4, rowCount: 3, why: "tiles of four with fewer rows" },
  { expertCount: 128, usedCount: 8, rowCount: 64, why: "more pairs than threads" },
  { expertCount: 5, usedCount: 5, rowCount: 7, why: "all experts" },
  { expertCount: 3, usedCount: 1, rowCount: 70, why: "more rows than threads, one expert each" },
  { expertCount: 16, usedCount: 4, rowCount: 9, shareScale: 2.5, why: "scaled shares" },
  { expertCount: 16, usedCount: 4, rowCount: 9, ties: true, why: "equal scores" },
];

for (const { rowCount, ties = false, why, ...options } of CASES) {
  const name = `${JSON.stringify(options)} x ${rowCount} (${why})`;
  Deno.test(`ExpertRouteKernel matches its reference at ${name}`, async () => {
    const { expertCount, usedCount } = options;
    const logits = seededNormals(rowCount * expertCount, 1, 3);
    const biases = seededNormals(expertCount, 2);
    if (ties) {
      logits.forEach((value, i) => logits[i] = Math.round(value));
      biases.fill(0.5);
    }
    const routed = await route(options, { logits, biases, rowCount });
    const expected = expertRouteReference(logits, {
      ...options,
      biases,
      tileSize: tileSize(rowCount),
    });
    assertEquals(routed.choices, expected.choices);
    assertNear(routed.shares, expected.shares, NMSE_MAX);
    assertEquals(routed.tiles, expected.tiles);
    assertEquals(routed.tiles.length <= tileCountMax({ expertCount, usedCount }, rowCount), true);
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

/** What the device makes; tiles as far as they have entries. */
async function route(
  options: ExpertRouteOptions,
  inputs: { logits: Float32Array; biases: Float32Array; rowCount: number },
) {
  const { logits, biases, rowCount } = inputs;
  const gpu = await testGpu();
  const entryCount = rowCount * options.usedCount;
  const capacity = tileCapacity(options, rowCount);
  const kernel = await ExpertRouteKernel.create(gpu, options);
  const choices = gpu.createBuffer("choices", entryCount * 4);
  const shares = gpu.createBuffer("shares", entryCount * 4);
  // What an earlier step left must not be taken for tiles of this one.
  const stale = new Uint32Array(capacity * TILE_WORDS).fill(1);
  const tiles = gpu.createBufferWith("tiles", stale);
  const bound = kernel.bind({
    logits: gpu.createBufferWith("logits", logits),
    biases: gpu.createBufferWith("biases", biases),
    choices,
    shares,
    tiles,
  });
  submitPass(gpu, (pass) => kernel.record(pass, bound, rowCount));
  const words = await readU32(gpu, tiles, stale.length);
  const found = Array.from({ length: capacity }, (_, index) => {
    const [expert, count] = words.subarray(index * TILE_WORDS + 4);
    const entries = words.subarray(index * TILE_WORDS, index * TILE_WORDS + 4);
    assertEquals(
      [...entries.subarray(count)].every((each) => count === 0 || each === entries[0]),
      true,
    );
    return { expert, entries: [...entries.subarray(0, count)] };
  });
  return {
    choices: [...await readU32(gpu, choices, entryCount)],
    shares: await readF32(gpu, shares, entryCount),
    tiles: found.filter(({ entries }) => entries.length > 0),
  };
}
