import type { SamplingOptions } from "../../src/core/sampling.ts";
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { SampleKernel, sampleSettingsWords } from "../../src/kernels/sample/row.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import { sampleReference } from "../../src/reference/sample.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { seededNormals, seededRandom } from "../support/numeric.ts";

/**
 * Where a decision is nearer to its turning point than this share of the mass, f32 may decide
 * otherwise: sums of up to 50,000 weights with relative errors of 1e-7 each.
 */
const MARGIN_MIN = 1e-6;

const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };
const PLAIN: SamplingOptions = { ...GREEDY, temperature: 1 };

interface Draw {
  logits: Float32Array;
  settings: SamplingOptions;
  position: number;
}

const kernels = new Map<string, Promise<SampleKernel>>();

/** Compiling takes longer than running: each shape is compiled once. */
function kernelFor(gpu: Gpu, options: { vocabSize: number; workgroupSize?: number }) {
  const key = JSON.stringify(options);
  const kernel = kernels.get(key) ?? SampleKernel.create(gpu, options);
  kernels.set(key, kernel);
  return kernel;
}

/** Runs all draws in one dispatch, a slot each, tokens in reversed order; returns them in order. */
async function sample(draws: Draw[], workgroupSize?: number): Promise<number[]> {
  const gpu = await testGpu();
  const vocabSize = draws[0].logits.length;
  const options = workgroupSize === undefined ? { vocabSize } : { vocabSize, workgroupSize };
  const kernel = await kernelFor(gpu, options);
  const logits = new Float32Array(draws.length * vocabSize);
  const rows = new Uint32Array(draws.length * 4);
  const settings = new Uint32Array(draws.length * 8);
  draws.forEach((draw, row) => {
    const slot = (row * 7 + 3) % draws.length; // a permutation unless 7 divides the count
    logits.set(draw.logits, row * vocabSize);
    rows.set([slot, draw.position, 0, draws.length - 1 - row], row * 4);
    settings.set(sampleSettingsWords(draw.settings), slot * 8);
  });
  const ids = gpu.createBufferWith("ids", new Uint32Array(draws.length).fill(0xffffffff));
  const buffers = {
    logits: gpu.createBufferWith("logits", logits),
    rows: gpu.createBufferWith("rows", rows),
    settings: gpu.createBufferWith("settings", settings),
    ids,
  };
  const bound = kernel.bind(buffers);
  submitPass(gpu, (pass) => kernel.record(pass, bound, draws.length));
  const reversed = await readU32(gpu, ids, draws.length);
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  return [...reversed].reverse();
}

/** Logits spread like a model's: most far below a few, span about 40. */
function modelLogits(vocabSize: number, seed: number): Float32Array {
  const logits = seededNormals(vocabSize, seed, 3.5);
  const random = seededRandom(seed + 77);
  for (let i = 0; i < 12; i++) logits[Math.floor(random() * vocabSize)] += 10 + 8 * random();
  return logits;
}

const RULES: { why: string; settings: SamplingOptions }[] = [
  { why: "greedy", settings: GREEDY },
  { why: "no truncation", settings: PLAIN },
  { why: "hot", settings: { ...PLAIN, temperature: 5 } },
  { why: "top-k 40", settings: { ...PLAIN, temperature: 3, topK: 40 } },
  { why: "top-k of half the tokens", settings: { ...PLAIN, temperature: 9, topK: 48 } },
  { why: "top-p 0.95", settings: { ...PLAIN, temperature: 2, topP: 0.95 } },
  { why: "top-p 0.999, hot", settings: { ...PLAIN, temperature: 8, topP: 0.999 } },
  { why: "min-p 0.05", settings: { ...PLAIN, temperature: 2, minP: 0.05 } },
  { why: "nearly cold", settings: { ...PLAIN, temperature: 1e-4 } },
  { why: "top-k beyond the vocabulary", settings: { ...PLAIN, temperature: 2, topK: 5000 } },
  { why: "all", settings: { temperature: 2.5, topK: 50, topP: 0.9, minP: 0.01, seed: 0 } },
];

for (const { why, settings } of RULES) {
  for (const vocabSize of [97, 1024, 4999]) {
    Deno.test(`SampleKernel picks the reference's token of ${vocabSize} (${why})`, async () => {
      const draws = Array.from({ length: 33 }, (_, row) => ({
        logits: modelLogits(vocabSize, row),
        settings: { ...settings, seed: row * 1000 },
        position: row * 3,
      }));
      const ids = await sample(draws);
      let clearCount = 0;
      draws.forEach(({ logits, settings, position }, row) => {
        const wanted = sampleReference(logits, settings, position);
        if (wanted.margin < MARGIN_MIN) return;
        clearCount++;
        assertEquals(ids[row], wanted.id, `row ${row}`);
      });
      assertGreater(clearCount, 27, "most choices are clear");
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
    const ids = await sample(draws, workgroupSize);
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
