import { assert, assertEquals, assertLess } from "@std/assert";
import { sampleReference } from "../../src/reference/sample.ts";
import {
  assertReferenceChoices,
  GREEDY,
  MARGIN_MIN,
  modelLogits,
  PLAIN,
  RULES,
  sample,
} from "../support/sample_draws.ts";

for (const { why, settings } of RULES) {
  for (const vocabSize of [97, 1024, 4999]) {
    Deno.test(`SampleKernel picks the reference's token of ${vocabSize} (${why})`, async () => {
      const draws = Array.from({ length: 33 }, (_, row) => ({
        logits: modelLogits(vocabSize, row),
        settings: { ...settings, seed: row * 1000 },
        position: row * 3,
      }));
      const ids = await sample(draws);
      assertReferenceChoices(draws, ids);
    });
  }
}

Deno.test("SampleKernel picks the reference's token of 262144 (the largest vocabulary)", async () => {
  const settings = { temperature: 4, topK: 20_000, topP: 0.9, minP: 0.001, seed: 6 };
  const draws = [1, 2, 3].map((row) => {
    return { logits: modelLogits(2 ** 18, row), settings, position: row };
  });
  const wanted = draws.map((draw) => sampleReference(draw.logits, settings, draw.position));
  assert(wanted.every(({ margin }) => margin >= MARGIN_MIN), "every choice is clear");
  assertEquals(await sample(draws), wanted.map(({ id }) => id));
});

for (const workgroupSize of [16, 64, 256, 512]) {
  Deno.test(`SampleKernel picks the reference's token with ${workgroupSize} lanes`, async () => {
    const settings = { temperature: 2.5, topK: 200, topP: 0.9, minP: 0.001, seed: 3 };
    const draws = Array.from({ length: 9 }, (_, row) => {
      return { logits: modelLogits(4999, row), settings, position: row };
    });
    const ids = await sample(draws, { workgroupSize });
    const wanted = draws.map((draw) => sampleReference(draw.logits, settings, draw.position));
    assert(wanted.every(({ margin }) => margin >= MARGIN_MIN), "every choice is clear");
    assertEquals(ids, wanted.map(({ id }) => id));
  });
}

Deno.test("SampleKernel takes the lowest of equal ids if greedy, -infinity included", async () => {
  const row = new Float32Array(1024).fill(-Infinity);
  const ties = row.slice();
  ties.set([5, 9, 9, 1, 9], 300);
  const last = row.slice();
  last[1023] = -1e30;
  const draws = [row, ties, last].map((logits) => ({ logits, settings: GREEDY, position: 0 }));
  assertEquals(await sample(draws), [0, 301, 1023]);
});

Deno.test("SampleKernel with topK 1, or a tiny topP, or minP 1 is greedy", async () => {
  const settings = [{ topK: 1 }, { topP: 1e-9 }, { minP: 1 }];
  const draws = settings.flatMap((change) =>
    Array.from({ length: 11 }, (_, seed) => ({
      logits: modelLogits(1024, seed),
      settings: { ...PLAIN, temperature: 20, seed, ...change },
      position: seed,
    }))
  ).slice(0, 32);
  const greedy = await sample(draws.map((draw) => ({ ...draw, settings: GREEDY })));
  assertEquals(await sample(draws), greedy);
});

Deno.test("SampleKernel keeps exactly topK of equal logits, lowest ids first", async () => {
  const logits = new Float32Array(1024);
  const settings = { ...PLAIN, topK: 10 };
  const draws = Array.from({ length: 200 }, (_, position) => ({ logits, settings, position }));
  const ids = new Set(await sample(draws));
  assertEquals([...ids].sort((a, b) => a - b), Array.from({ length: 10 }, (_, id) => id));
});

Deno.test("SampleKernel keeps the fewest of equal logits that reach topP", async () => {
  const logits = new Float32Array(1024).fill(-50);
  logits.fill(2, 100, 200);
  const settings = { ...PLAIN, topP: 0.0955 };
  const draws = Array.from({ length: 200 }, (_, position) => ({ logits, settings, position }));
  const ids = new Set(await sample(draws));
  assertEquals([...ids].sort((a, b) => a - b), Array.from({ length: 10 }, (_, id) => 100 + id));
});

Deno.test("SampleKernel never draws a token of weight 0", async () => {
  const logits = new Float32Array(1024).fill(-Infinity);
  logits.set([0, 0.5, 1], 150);
  const draws = Array.from({ length: 100 }, (_, position) => {
    return { logits, settings: { ...PLAIN, topK: 40, topP: 0.9999 }, position };
  });
  assertEquals(new Set(await sample(draws)), new Set([150, 151, 152]));
});

Deno.test("SampleKernel's choice depends on its own row alone", async () => {
  const settings = { temperature: 3, topK: 100, topP: 0.9, minP: 0, seed: 4 };
  const draws = Array.from({ length: 12 }, (_, row) => {
    return { logits: modelLogits(4999, row), settings, position: 5 };
  });
  const together = await sample(draws);
  assertEquals(await sample([...draws].reverse()), [...together].reverse());
  for (const row of [0, 5]) assertEquals(await sample([draws[row]]), [together[row]]);
});

/** Upper 0.1% point of chi-square with `degrees` of freedom (Wilson-Hilferty). */
function chiSquareMax(degrees: number): number {
  return degrees * (1 - 2 / (9 * degrees) + 3.09 * Math.sqrt(2 / (9 * degrees))) ** 3;
}

const DISTRIBUTIONS = [
  { why: "of positions", settings: PLAIN, share: (id: number) => (id + 1) / 55 },
  {
    why: "of top-k 3",
    settings: { ...PLAIN, topK: 3 },
    share: (id: number) => id < 7 ? 0 : (id + 1) / 27,
  },
  {
    why: "of top-p 0.6 at temperature 0.5",
    settings: { ...PLAIN, temperature: 0.5, topP: 0.6 },
    share: (id: number) => id < 7 ? 0 : (id + 1) ** 2 / 245,
  },
];

for (const { why, settings, share } of DISTRIBUTIONS) {
  for (const varied of ["position", "seed"] as const) {
    Deno.test(`SampleKernel draws by probability (${why}, ${varied} varied)`, async () => {
      const logits = Float32Array.from({ length: 10 }, (_, id) => Math.log(id + 1));
      const draws = Array.from({ length: 2001 }, (_, index) => ({
        logits,
        settings: { ...settings, seed: varied === "seed" ? index : 1 },
        position: varied === "position" ? index : 1,
      }));
      const counts = new Array(10).fill(0);
      for (const id of await sample(draws)) counts[id]++;
      let chiSquare = 0;
      let binCount = 0;
      counts.forEach((count, id) => {
        const expected = share(id) * draws.length;
        if (expected === 0) return assertEquals(count, 0);
        chiSquare += (count - expected) ** 2 / expected;
        binCount++;
      });
      assertLess(chiSquare, chiSquareMax(binCount - 1));
    });
  }
}

Deno.test("SampleKernel gives the same token for the same seed, others for other seeds", async () => {
  const logits = new Float32Array(4999);
  const draw = (seed: number) => ({ logits, settings: { ...PLAIN, seed }, position: 9 });
  const draws = [1, 1, 2, 3, 0xffffffff].map(draw);
  const ids = await sample(draws);
  assertEquals(ids[0], ids[1]);
  assertEquals(new Set(ids).size, 4);
});
