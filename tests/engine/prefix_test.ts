/** Sharing of blocks by sequences that begin alike, on the GPU. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectIds,
  collectTokens,
  sharedTinyEngine,
  tinyPrompt,
  type TokenEvent,
  withTinyEngine,
} from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";

/** Steps so fine that a bit more or less in a block shows in the text. */
const FINE = { name: "paper" as const, keyRel: 0.004, valueRel: 0.004 };
const MODEL = { model: { contextLength: 2048 } };
const SAMPLED = { temperature: 1.3, seed: 7 };

/** A document and what follows it. */
function ask(document: readonly number[], question: number, length = 40): GenerateRequest {
  const promptIds = [...document, ...tinyPrompt(length, question)];
  return { promptIds, maxTokens: 80, ignoreEos: true, sampling: SAMPLED };
}

/** The texts of requests one after the other in an engine of their own, with log-probabilities. */
async function textsOf(
  options: Partial<EngineOptions>,
  requests: readonly GenerateRequest[],
): Promise<{ texts: TokenEvent[][]; cached: number[] }> {
  const texts: TokenEvent[][] = [];
  const cached: number[] = [];
  await withTinyEngine({ ...MODEL, ...options }, async (engine) => {
    for (const request of requests) {
      const answer = await collectTokens(engine, { ...request, logprobs: 3 });
      texts.push(answer.tokens);
      cached.push(answer.cached);
    }
  });
  return { texts, cached };
}

const document = tinyPrompt(800, 1);

for (const profile of [{ name: "exact" as const }, { name: "paper" as const }, FINE]) {
  const name = profile === FINE ? "paper with fine steps" : profile.name;
  Deno.test(`a text does not depend on what its prompt found in the cache (${name})`, async () => {
    const requests = [
      ask(document, 1),
      ask(document, 1), // the same again
      ask(document, 2), // another question
      ask(document.slice(0, 500), 3, 200), // it parts in the middle
      ask(document.slice(0, 500), 4, 200), // where the one before parted
      ask(document, 5, 64 * 7 - 800 % 64), // a prompt that ends at a block
      ask(document, 6, 3),
    ];
    const without = await textsOf({ profile, sharesPrefixes: false }, requests);
    const shared = await textsOf({ profile }, requests);
    assertEquals(without.cached, requests.map(() => 0));
    assertEquals(shared.cached.slice(0, 5), [0, 832, 768, 320, 448]);
    assertEquals(shared.cached[5] >= 768 && shared.cached[6] >= 768, true);
    assertEquals(shared.texts, without.texts);
  });
}

/** With memory for all; tests ask about documents of their own. */
const roomy = sharedTinyEngine({ ...MODEL, profile: FINE, sequenceCountMax: 4 });

Deno.test("n choices of a prompt prefill it once, each with the text it has alone", async () => {
  const engine = roomy();
  const requests = [1, 2, 3, 4].map((seed) => ({
    ...ask(tinyPrompt(800, 41), 1),
    sampling: { temperature: 1, seed },
  }));
  const before = await engine.stats();
  const texts = await Promise.all(requests.map((request) => collectIds(engine, request)));
  const after = await engine.stats();
  assertEquals(after.prefixQueryCount - before.prefixQueryCount, 4 * 840);
  assertEquals(after.prefixHitCount - before.prefixHitCount, 3 * 832);
  assertEquals(after.promptTokenCount - before.promptTokenCount, 840 + 3 * 8);
  assertEquals(new Set(texts.map(String)).size, 4);
  for (const [index, request] of requests.entries()) {
    const alone = await collectIds(engine, { ...request, skipsCache: true });
    assertEquals(texts[index], alone, `choice ${index}`);
  }
});

Deno.test("slices whose layers are spread over steps beside decode rows change no text", () =>
  withTinyEngine({
    model: { contextLength: 2048, layerCount: 5 },
    sequenceCountMax: 2,
    stepTokenCountMax: 16,
  }, async (engine) => {
    const long = { ...ask(document, 9), skipsCache: true };
    const alone = await collectIds(engine, long);
    const { stepCount: before } = await engine.stats();
    const beside = { promptIds: tinyPrompt(5, 2), maxTokens: 300, ignoreEos: true };
    let finishedStep = 0;
    const [, together] = await Promise.all([
      collectIds(engine, beside),
      collectIds(engine, long).then(async (ids) => {
        finishedStep = (await engine.stats()).stepCount;
        return ids;
      }),
    ]);
    assertEquals(together, alone);
    // 14 slices of 5 steps each, then 80 tokens.
    assertGreater(finishedStep - before, 14 * 5 + 79);
  }));

async function cachedCount(engine: Engine, request: GenerateRequest): Promise<number> {
  return (await collectTokens(engine, request)).cached;
}

Deno.test("blocks are shared among requests of one salt only, and not at all if asked", async () => {
  const engine = roomy();
  const request = { ...ask(tinyPrompt(800, 42), 1), maxTokens: 1 };
  assertEquals(await cachedCount(engine, { ...request, cacheSalt: "a" }), 0);
  assertEquals(await cachedCount(engine, { ...request, cacheSalt: "b" }), 0);
  assertEquals(await cachedCount(engine, request), 0);
  assertEquals(await cachedCount(engine, { ...request, cacheSalt: "a" }), 832);
  assertEquals(await cachedCount(engine, { ...request, skipsCache: true }), 0);
});

Deno.test("blocks that nobody uses are given up, least recently used first, when memory is short", () =>
  withTinyEngine({ ...MODEL, profile: FINE, cacheSizeBytes: 450 * 1024 }, async (engine) => {
    const requests = [1, 2, 3].map((seed) => ({
      promptIds: tinyPrompt(800, seed + 20),
      maxTokens: 1,
    }));
    const [first, second, third] = requests;
    await collectIds(engine, first);
    await collectIds(engine, second);
    assertGreater((await engine.stats()).retainedBytes, 300 * 1024);
    assertEquals(await cachedCount(engine, second), 768);
    await collectIds(engine, third);
    assertEquals(await cachedCount(engine, third), 768);
    assert(await cachedCount(engine, first) < 768);
  }));

Deno.test("what is pinned stays on the device while others take the memory, until it is pinned no more", () =>
  withTinyEngine({ ...MODEL, profile: FINE, cacheSizeBytes: 1100 * 1024 }, async (engine) => {
    const askOf = (seed: number) => ({ promptIds: tinyPrompt(800, seed + 30), maxTokens: 1 });
    const askOthers = async (first: number) => {
      for (const seed of [0, 1, 2]) await collectIds(engine, askOf(first + seed));
    };
    const kept = askOf(0);
    await collectIds(engine, { ...kept, pins: true });
    await askOthers(1);
    assertEquals(await cachedCount(engine, kept), 768);
    await askOthers(4);
    assertEquals(await cachedCount(engine, { ...kept, pins: false }), 768);
    await askOthers(7);
    assert(await cachedCount(engine, kept) < 768);
  }));

Deno.test("a next turn finds its answer in the cache, and gives the text that it gives without", async () => {
  const engine = roomy();
  const before = await engine.stats();
  const rereadCount = async () => (await engine.stats()).rereadTokenCount - before.rereadTokenCount;
  const first = { ...ask(document, 1), maxTokens: 150, isContinued: true };
  const answer = await collectIds(engine, first);
  await eventually(async () => await rereadCount() >= 960 + 1 - 832);
  const next = { ...ask([...first.promptIds, ...answer], 2), logprobs: 3 };
  const { tokens, cached } = await collectTokens(engine, next);
  assertEquals(cached, 960, "of 840 prompt tokens and 150 decoded ones");
  assertEquals(tokens, (await collectTokens(engine, { ...next, skipsCache: true })).tokens);
  assertEquals(await rereadCount(), 960 + 1 - 832);
  const { promptTokenCount, runningSequenceCount } = await engine.stats();
  const ownCount = promptTokenCount - before.promptTokenCount;
  assertEquals(ownCount, 840 + 1030 - 960 + 1030, "of requests only");
  assertEquals(runningSequenceCount, 0);
});
