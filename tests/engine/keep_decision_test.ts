/** What the device moves of a prompt, against references of the model and of the papers. */

import { assertEquals } from "@std/assert";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import type { StoreScores } from "../../src/scheduler/keep/method.ts";
import { keepMethod } from "../../src/scheduler/keep/registry.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  chunkKvReference,
  dBudgetKvReference,
  thinkReference,
} from "../scheduler/keep_reference.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { assertNear } from "../support/numeric.ts";
import { referenceLogits } from "../support/reference_model.ts";
import { StepHarness, withLoadedModel } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** f16 keys (relative error 2^-11) of a few layers. */
const NMSE_MAX = 1e-5;

const METHODS = [
  "chunkkv:ratio=0.6",
  "chunkkv:tokens=200,chunk=10,w=64",
  "dbudgetkv:theta=0.05",
  "dbudgetkv:theta=0.2,rank=attention,w=16",
];

/** What the paper keeps, by the reference of its method. */
function expectedTokens(text: string, scores: StoreScores, promptTokenCount: number): number[] {
  const sealedTokenCount = (Math.floor(promptTokenCount / 64) - 2) * 64;
  const counts = { promptTokenCount, sealedTokenCount, sinkCount: 4, packTokenCount: 1 };
  const setting = (name: string) => new RegExp(`${name}=([^,]+)`).exec(text)?.[1];
  if (text.startsWith("dbudgetkv")) {
    const rank = setting("rank") === "attention" ? "attention" : "position";
    return dBudgetKvReference(scores, counts, { theta: Number(setting("theta")), rank });
  }
  const ratio = Number(setting("ratio"));
  const budget = Number(setting("tokens") ?? Math.floor(ratio * promptTokenCount));
  return chunkKvReference(scores, counts, { chunkSize: Number(setting("chunk") ?? 16), budget });
}

/** Channels whose bits are set. */
function channelsOf(words: Uint32Array): number[] {
  return Array.from({ length: 32 * words.length }, (_, channel) => channel)
    .filter((channel) => (words[channel >> 5] >>> (channel & 31)) & 1);
}

/** Runs a prompt; by store what it got, the tokens that moved and their channels, by the steps. */
async function runPrompt(harness: StepHarness, promptIds: readonly number[], text: string) {
  harness.admit(1, promptIds, 3, keepMethod(text));
  const tokenOf = new Map<string, number>();
  const moved = harness.runner.cache.shape.stores.map((): number[] => []);
  let scores: StoreScores[] = [];
  let channels: number[][] = [];
  for (let ran = await harness.step(); ran; ran = await harness.step()) {
    const { plan, result } = ran;
    for (const { blockIndex, recordOffsets, tokenCounts } of plan.packs) {
      if (tokenCounts) continue;
      recordOffsets.forEach((word, store) => {
        for (let place = 0; place < 64; place++) {
          tokenOf.set(`${store} ${word} ${place}`, blockIndex * 64 + place);
        }
      });
    }
    for (const { gather } of plan.measures) {
      if (gather?.keptChannels) channels = gather.keptChannels.map(channelsOf);
      gather?.sources.forEach((own, store) => {
        for (let index = 0; index < own.length; index += 2) {
          moved[store].push(tokenOf.get(`${store} ${own[index]} ${own[index + 1]}`)!);
        }
      });
    }
    if (result.scores) scores = result.scores as StoreScores[];
  }
  harness.scheduler.drainEvents();
  return { moved, scores, channels };
}

const PROMPT = tinyPrompt(420, 4);

/** Runs the prompt in a cache of its own on a model. */
async function runTiny(model: LoadedModel, text: string) {
  const options = { slotCount: 1, contextLength: 512, observes: true };
  const harness = await StepHarness.on(model, { profile: { name: "exact" }, ...options });
  try {
    return await runPrompt(harness, PROMPT, text);
  } finally {
    harness.runner.destroy();
  }
}

async function assertMoved(model: LoadedModel, text: string): Promise<void> {
  const { moved, scores } = await runTiny(model, text);
  const { observation: { queryCount, needsLastQuery } } = keepMethod(text)!;
  const expected = scores.map(() => ({
    sums: new Float64Array(420),
    lastByHead: [] as number[][],
  }));
  referenceLogits(model.file, PROMPT, {
    first: 420 - queryCount,
    onAttention({ layer, position, head }, weights) {
      if (position < 420 - queryCount) return;
      weights.forEach((weight, token) => expected[layer].sums[token] += weight);
      if (position === 419) expected[layer].lastByHead[head] = [...weights];
    },
  });
  for (const [store, own] of expected.entries()) {
    assertNear(scores[store].sums, own.sums, NMSE_MAX, `sums of store ${store}`);
    assertEquals(scores[store].lastByHead.length, needsLastQuery ? own.lastByHead.length : 0);
    assertEquals(moved[store], expectedTokens(text, own, 420), `store ${store}`);
  }
}

async function assertChannels(model: LoadedModel): Promise<void> {
  const { moved, channels } = await runTiny(model, "think:ratio=0.3,w=40");
  const queries = moved.map(() => Array.from({ length: 40 }, (): number[] => []));
  const keys: Float64Array[][] = [];
  referenceLogits(model.file, PROMPT, {
    first: 380,
    onAttention({ layer, position }, _, of) {
      if (position >= 380) queries[layer][position - 380].push(...of.query);
      keys[layer] = [...of.keys];
    },
  });
  const { headSize } = model.shape;
  for (const [store, own] of channels.entries()) {
    const expected = thinkReference(queries[store], keys[store], { headSize, ratio: 0.3 });
    assertEquals(own, expected, `store ${store}`);
    assertEquals(moved[store].length, 256);
  }
  assertEquals(new Set(channels.map((own) => own.join())).size, channels.length);
}

Deno.test("what moves is what plain loops over the model and the paper keep", (t) =>
  withTinyModel(
    { contextLength: 512, type: "F32" },
    (path) =>
      withLoadedModel(path, async (model) => {
        for (const text of METHODS) await t.step(text, () => assertMoved(model, text));
        const ofQueries = "the channels that stay are those of the model's queries and keys";
        await t.step(ofQueries, () => assertChannels(model));
      }),
  ));

Deno.test("on a real prompt what moves is what the papers keep of what its tokens got", async () => {
  const path = defaultModelPath();
  const { metadata, tensors } = await readGguf(path);
  const wiki = await Deno.readTextFile(new URL("../../../shared/data/wiki.txt", import.meta.url));
  const ids = Array.from(
    createTokenizer(metadata, tensors).tokenize(wiki.slice(0, 3000), {
      parseSpecial: false,
    }),
  );
  const promptIds = ids.slice(0, 270);
  const options = { slotCount: 1, contextLength: 320, observes: true };
  const harness = await StepHarness.open(path, { profile: { name: "exact" }, ...options });
  try {
    for (const text of ["chunkkv:ratio=0.7,reuse=3", "dbudgetkv:theta=0.01,think:ratio=0.4"]) {
      const { moved, scores, channels } = await runPrompt(harness, promptIds, text);
      const reuse = text.includes("reuse") ? 3 : 1;
      for (const [store, own] of moved.entries()) {
        const first = scores[store - store % reuse];
        assertEquals(own, expectedTokens(text, first, promptIds.length), `${text}, store ${store}`);
      }
      for (const [store, own] of channels.entries()) {
        // The norm of one query and one key as large as all of them is that of all products.
        const { headSize, ...sums } = scores[store].channels!;
        const [queries, keys] = [sums.queries, sums.keys].map((each) => [
          Array.from(each, Math.sqrt),
        ]);
        const expected = thinkReference(queries, keys, { headSize, ratio: 0.4 });
        assertEquals(own, expected, `${text}, channels of store ${store}`);
      }
    }
  } finally {
    harness.close();
  }
});
