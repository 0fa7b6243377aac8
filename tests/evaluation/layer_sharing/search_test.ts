/** The search for layers that share, beside the published one in plain f64 loops. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import {
  searchByDivergence,
  searchLayers,
  searchPublished,
} from "../../../src/evaluation/layer_sharing/search.ts";
import { type GgufFile, readGguf } from "../../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { type SharedLayer, sharePlan } from "../../../src/model/shared_layers.ts";
import { loadModel } from "../../../src/runtime/load_model.ts";
import { planLogits, planStates } from "../../support/reference_model.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

/**
 * The authors' notebook in plain loops: distances of averaged keys and values, pairs from the
 * largest on, a map of all layers of which chains are resolved.
 */
function referenceSearch(
  file: GgufFile,
  pieces: readonly (readonly number[])[],
  { count, cosineMin }: { count: number; cosineMin: number },
): { map: number[]; pairs: number[][]; cosines: number[] } {
  const plan = readModelPlan(file);
  const { headSize } = plan.shape;
  const runs = pieces.map((piece) => planStates(file, plan, piece));
  const mean = (of: (run: typeof runs[number]) => Float64Array[][], layer: number) =>
    of(runs[0])[layer].map((row, token) =>
      row.map((_, i) => runs.reduce((sum, run) => sum + of(run)[layer][token][i], 0) / runs.length)
    );
  const distance = (a: Float64Array[], b: Float64Array[]) => {
    const norms: number[] = [];
    for (const [token, row] of a.entries()) {
      for (let start = 0; start < row.length; start += headSize) {
        let squares = 0;
        for (let i = start; i < start + headSize; i++) squares += (row[i] - b[token][i]) ** 2;
        norms.push(Math.sqrt(squares));
      }
    }
    return norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
  };
  const keys = plan.layers.map((_, layer) => mean((run) => run.keys, layer));
  const values = plan.layers.map((_, layer) => mean((run) => run.values, layer));
  const ranked: { i: number; j: number; far: number }[] = [];
  for (let i = 0; i < plan.layers.length; i++) {
    for (let j = 0; j < i; j++) {
      ranked.push({ i, j, far: (distance(keys[i], keys[j]) + distance(values[i], values[j])) / 2 });
    }
  }
  ranked.sort((a, b) => b.far - a.far);
  const reMap = (map: number[]) => {
    const out: number[] = [];
    map.forEach((source, layer) => out.push(source === layer ? layer : out[source]));
    return out;
  };
  let map = plan.layers.map((_, layer) => layer);
  const [pairs, cosines]: [number[][], number[]] = [[], []];
  for (const { i, j } of ranked) {
    if (pairs.length === count) break;
    if (pairs.some(([shared]) => shared === i)) continue;
    const tried = reMap(map.map((source, layer) => layer === i ? j : source));
    const shared = sharePlan(
      plan,
      tried.flatMap((source, layer) => source === layer ? [] : [{ layer, source }]),
    );
    const cosine = pieces.reduce((sum, piece, index) => {
      const a = runs[index].states.flatMap((row) => [...row]);
      const b = planStates(file, shared, piece).states.flatMap((row) => [...row]);
      const dot = (x: number[], y: number[]) =>
        x.reduce((total, value, k) => total + value * y[k], 0);
      return sum + dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)) / pieces.length;
    }, 0);
    if (!(cosine > cosineMin)) continue;
    map = tried;
    pairs.push([i, j]);
    cosines.push(cosine);
  }
  return { map, pairs, cosines };
}

/** Mean KL of next tokens from position 64 on, in f64. */
function referenceKl(
  file: GgufFile,
  pairs: readonly SharedLayer[],
  ids: readonly number[],
): number {
  const plan = readModelPlan(file);
  const logProbs = (logits: Float64Array) => {
    const peak = Math.max(...logits);
    const logSum = peak + Math.log(logits.reduce((sum, each) => sum + Math.exp(each - peak), 0));
    return logits.map((each) => each - logSum);
  };
  const read = ids.slice(0, -1);
  const own = planLogits(file, plan, read, { first: 64 }).map(logProbs);
  const other = planLogits(file, sharePlan(plan, pairs), read, { first: 64 }).map(logProbs);
  const kls = own.map((row, position) =>
    row.reduce((sum, each, id) => sum + Math.exp(each) * (each - other[position][id]), 0)
  );
  return kls.reduce((sum, kl) => sum + kl, 0) / kls.length;
}

Deno.test("searchLayers() takes the pairs that the published search takes in f64, and measures them", () =>
  withTinyModel({ layerCount: 5, queryFactor: 3 }, async (path) => {
    const file = await readGguf(path);
    const texts = {
      pieces: [1, 2, 3].map((seed) => tinyPrompt(24, seed)),
      runIds: tinyPrompt(97, 9),
    };
    const expected = referenceSearch(file, texts.pieces, { count: 2, cosineMin: 0.5 });
    const model = await loadModel(file, () => {});
    try {
      const options = { count: 2, texts, onProgress: () => {} };
      const map = await searchLayers(model, { ...options, search: "published" });
      assertEquals(map.layers.map(({ layer, source }) => [layer, source]), expected.pairs);
      const sources = sharePlan(model.plan, map.layers).layers.map(({ attention }) =>
        attention.keyValueLayer
      );
      assertEquals(sources, expected.map);
      for (const [index, { cosine, kl }] of map.layers.entries()) {
        assertAlmostEquals(cosine!, expected.cosines[index], 1e-4);
        const wanted = referenceKl(file, map.layers.slice(0, index + 1), texts.runIds);
        assertAlmostEquals(kl / wanted, 1, 0.02);
      }
      const better = await searchLayers(model, { ...options, search: "divergence" });
      assert(better.layers[1].kl <= map.layers[1].kl, "by divergence less is lost");
      await assertRejects(
        () => searchLayers(model, { ...options, count: 5, search: "published" }),
        EngineError,
        "4 of 5 can",
      );
    } finally {
      model.gpu.close();
    }
  }));

const PAIRS = [[2, 0], [2, 1], [1, 0]].map(([layer, source]) => ({ layer, source }));

Deno.test("searchPublished() passes over pairs that leave hidden states unlike, and says when none is left", async () => {
  const tryPairs = (pairs: readonly SharedLayer[]) => {
    const isBad = pairs.some(({ layer, source }) => layer === 2 && source === 0);
    return Promise.resolve({ cosine: isBad ? 0.5 : 0.6, kl: pairs.length });
  };
  const options = { tryPairs, onProgress: () => {} };
  assertEquals(await searchPublished(PAIRS, { ...options, count: 2 }), [
    { layer: 2, source: 1, cosine: 0.6, kl: 1 },
    { layer: 1, source: 0, cosine: 0.6, kl: 2 },
  ]);
  await assertRejects(
    () => searchPublished(PAIRS.slice(0, 2), { ...options, count: 2 }),
    EngineError,
    "all 2 pairs are tried",
  );
});

Deno.test("searchByDivergence() takes what does least together, not what does least alone", async () => {
  const alone = new Map([["2-0", 1], ["2-1", 2], ["1-0", 0.5]]);
  const tryPairs = (pairs: readonly SharedLayer[]) => {
    const names = pairs.map(({ layer, source }) => `${layer}-${source}`);
    const sum = names.reduce((total, name) => total + alone.get(name)!, 0);
    // Both reading layer 0 is worse than either alone says.
    return Promise.resolve({ cosine: 1, kl: names.includes("2-0") && names.length > 1 ? 9 : sum });
  };
  const taken = await searchByDivergence(PAIRS, { count: 2, tryPairs, onProgress: () => {} });
  assertEquals(taken.map(({ layer, source, kl }) => [layer, source, kl]), [
    [1, 0, 0.5],
    [2, 1, 2.5],
  ]);
});
