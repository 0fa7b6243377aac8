import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type ChoiceInput,
  CHOICES,
  chosenTokens,
  cosineClusters,
  SHARED_CHOICES,
  smallestSet,
} from "../../../src/evaluation/reading/choices.ts";
import { evaluateKeptAttention } from "../../../src/evaluation/reading/kept_attention.ts";
import {
  formatKeptAttention,
  formatNeededTokens,
} from "../../../src/evaluation/reading/reading_table.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { loadModel } from "../../../src/runtime/load_model.ts";
import { seededNormals } from "../../support/numeric.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const HEAD_SIZE = 16;

function vectors(count: number, seed: number): Float64Array[] {
  const values = seededNormals(count * HEAD_SIZE, seed);
  return Array.from(
    { length: count },
    (_, index) => Float64Array.from(values.subarray(index * HEAD_SIZE, (index + 1) * HEAD_SIZE)),
  );
}

const product = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);

Deno.test("cosineClusters() finds directions apart, and gives every key one cluster", () => {
  const seeds = vectors(3, 5);
  const units = vectors(90, 6).map((noise, index) => {
    const vector = seeds[index % 3].map((value, channel) => value + 0.05 * noise[channel]);
    const length = Math.sqrt(product(vector, vector));
    return vector.map((value) => value / length);
  });
  const { members } = cosineClusters(units, units.slice(0, 3), 20);
  for (const [cluster, own] of members.entries()) {
    assertEquals(own, Array.from({ length: 30 }, (_, index) => cluster + 3 * index));
  }
});

Deno.test("chosenTokens() reads the first block, then whole runs by score, then a part of one", () => {
  const runs = [0, 1, 2].map((run) => {
    const tokens = Array.from({ length: 64 }, (_, at) => 64 * run + at);
    return { tokens, score: run };
  });
  const chosen = [...chosenTokens(runs, 64 + 64 + 5)].sort((a, b) => a - b);
  assertEquals(chosen.length, 133);
  assertEquals(chosen.filter((token) => token < 64).length, 64);
  assertEquals(chosen.filter((token) => token >= 128).length, 64);
});

Deno.test("no smaller set of tokens exceeds the share than the one that is read", () => {
  const [published] = SHARED_CHOICES;
  const inWindow = 0.35;
  for (const seed of [1, 2, 3]) {
    const weights = Float64Array.from(seededNormals(9, seed, 2), Math.exp);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const attention = weights.map((weight) => (2 - inWindow) * weight / total);
    for (const share of [0.1, 0.5, 0.9, 0.98]) {
      const sumOf = (tokens: readonly number[]) =>
        tokens.reduce((sum, token) => sum + attention[token], inWindow);
      const set = smallestSet(attention, { choice: published, inWindow, all: 2, share });
      assert(sumOf([...set]) > 2 * share, "it exceeds the share");
      for (let bits = 0; bits < 2 ** 9; bits++) {
        const other = [...attention.keys()].filter((token) => (bits >> token & 1) === 1);
        if (other.length < set.size) assert(sumOf(other) <= 2 * share, `${other} would do`);
      }
    }
  }
});

Deno.test("by blocks the first one is read before all, and others whole", () => {
  const [, blocks] = SHARED_CHOICES;
  const attention = new Float64Array(256).fill(0.001);
  attention[200] = 0.5;
  const of = (
    share: number,
  ) => [...smallestSet(attention, { choice: blocks, inWindow: 0.1, all: 0.855, share })];
  const tokens = (...from: number[]) =>
    from.flatMap((block) => Array.from({ length: 64 }, (_, at) => 64 * block + at));
  assertEquals(of(0.1), tokens(0));
  assertEquals(of(0.5), tokens(0, 3));
  assertEquals(of(1), tokens(0, 3, 1, 2));
});

Deno.test("what each choice ranks runs by is what its paper says", () => {
  const keys = vectors(256, 1);
  const queries = vectors(2, 2);
  const attention = Float64Array.from(keys, (_, token) => (token * 37) % 256);
  const input: ChoiceInput = { keys, queries, attention };
  const runsOf = (name: string) => CHOICES.find((each) => each.name === name)!.prepare(keys)(input);
  const best = (tokens: readonly number[]) =>
    Math.max(...tokens.flatMap((token) => queries.map((query) => product(query, keys[token]))));
  for (
    const [name, count] of [["quest, blocks of 64", 4], ["quest, pages of 16 (published)", 16]]
  ) {
    const runs = runsOf(name as string);
    assertEquals(runs.length, count);
    for (const { tokens, score } of runs) assert(score >= best(tokens) - 1e-12, "it is a bound");
  }
  for (const name of ["clusterkv, two clusters a block", "clusterkv, tokens (published)"]) {
    const runs = runsOf(name);
    const tokens = runs.flatMap((run) => [...run.tokens]).sort((a, b) => a - b);
    assertEquals(tokens, keys.map((_, token) => token), "every token is in one run");
    for (const run of runs) {
      assert(run.score <= best(run.tokens) + 1e-12, "means are below the best");
    }
  }
  const [{ tokens: [first] }] = [...runsOf("oracle, tokens")].sort((a, b) => b.score - a.score);
  assertEquals(attention[first], Math.max(...attention));
});

Deno.test("evaluateKeptAttention() keeps all with a budget of everything, and most by the oracle", () =>
  withTinyModel({ contextLength: 1024 }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      const { kept: reports, needed } = await evaluateKeptAttention(model, {
        name: "made up",
        ids: tinyPrompt(512, 1),
        budgets: [128, 512],
        shares: [0.7, 1],
        denseLayerCount: 1,
      });
      const [byTokens, byBlocks] = needed.map(({ needed: [most] }) => most);
      assert(byTokens.tokens < byBlocks.tokens && byBlocks.tokens < 384);
      assert(byTokens.fetched > 0 && byTokens.fetched < byTokens.tokens);
      assert(byTokens.worst_layer >= byTokens.tokens);
      for (const { sealed, needed: [, all] } of needed) {
        assertEquals([sealed, all.tokens, all.fetched], [384, 384, 0]);
      }
      assertEquals(formatNeededTokens(needed).split("\n").length, 4);
      assertEquals(reports.map(({ choice }) => choice), CHOICES.map(({ name }) => name));
      const [tokens, blocks, ...others] = reports.map(({ kept }) => kept[0].mean);
      assert(tokens >= blocks && blocks < 1);
      for (const other of others) assert(other <= tokens + 1e-9);
      for (const index of [2, 4]) assert(reports[index].kept[0].mean <= blocks + 1e-9);
      for (const { kept } of reports) assertAlmostEquals(kept[1].mean, 1, 1e-9);
      assertEquals(formatKeptAttention(reports).split("\n").length, 2 + CHOICES.length);
      const layers = model.plan.layers.map((layer) => ({
        ...layer,
        attention: { ...layer.attention, softCap: 30 },
      }));
      const capped = { ...model, plan: { ...model.plan, layers } };
      await assertRejects(
        () =>
          evaluateKeptAttention(capped, {
            name: "made up",
            ids: tinyPrompt(512, 1),
            budgets: [128],
            denseLayerCount: 1,
          }),
        RangeError,
        "Cannot measure layer 1: its attention has softCap",
      );
    } finally {
      model.gpu.close();
    }
  }));
