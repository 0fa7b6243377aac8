/** How many of the newest tokens stay raw, as a setting of the engine. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { collectEvents, collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** Steps so fine that a bit more or less in a block shows in the text. */
const FINE = { name: "paper" as const, keyRel: 0.004, valueRel: 0.004 };
const SAMPLED = { temperature: 1.3, seed: 7 };
const DOCUMENT = tinyPrompt(800, 1);

function ask(question: number): GenerateRequest {
  const promptIds = [...DOCUMENT, ...tinyPrompt(40, question)];
  return { promptIds, maxTokens: 80, ignoreEos: true, sampling: SAMPLED };
}

/** K and V of 64 tokens as f16, of two layers with 2 heads of 32 channels. */
const TILE_BYTES = 2 * 2 * 64 * 2 * 32 * 2;

for (const windowTokenCount of [0, 64, 320]) {
  Deno.test(`with a window of ${windowTokenCount} a text does not depend on what its prompt found in the cache, and all older blocks are sealed`, async () => {
    const options = {
      model: { contextLength: 2048 },
      profile: FINE,
      windowTokenCount,
      sequenceCountMax: 1,
    };
    await withTinyEngine(options, async (engine) => {
      assertEquals(engine.info.windowTokenCount, windowTokenCount);
      const texts: number[][] = [];
      const cached: number[] = [];
      for (const request of [ask(1), ask(2), ask(2), { ...ask(2), skipsCache: true }]) {
        const events = await collectEvents(engine, request);
        texts.push(events.flatMap((event) => event.type === "token" ? [event.id] : []));
        const last = events.at(-1)!;
        assert(last.type === "finish");
        cached.push(last.cachedTokenCount);
      }
      assertEquals(texts[1], texts[3], "what others stored is read as its own");
      assertEquals(texts[2], texts[3]);
      assertEquals(cached, [0, 768, 832, 0]);
      assertEquals(engine.info.windowBytes, (windowTokenCount / 64 + 1) * TILE_BYTES);
    });
  });
}

Deno.test("without a window sequences that lose their blocks to others end with the same tokens", async () => {
  const options = {
    profile: { name: "paper" as const },
    cacheSizeBytes: 84 * 1024,
    hostSizeBytes: 2 ** 24,
    sequenceCountMax: 3,
    windowTokenCount: 0,
  };
  await withTinyEngine(options, async (engine) => {
    for (let id = 9; id < 13; id++) {
      await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 10 });
    }
    const requests = [1, 2, 3].map((seed): GenerateRequest => ({
      promptIds: tinyPrompt(200, seed),
      maxTokens: 210,
      ignoreEos: true,
    }));
    const texts = await Promise.all(requests.map((request) => collectIds(engine, request)));
    assert((await engine.stats()).preemptionCount > 0);
    for (const [index, request] of requests.entries()) {
      const alone = await collectIds(engine, { ...request, skipsCache: true });
      assertEquals(texts[index], alone, `request ${index}`);
    }
  });
});

Deno.test("a window that is no multiple of 64, or goes with keeping less but is none, is refused by name", async () => {
  const load = (options: Parameters<typeof withTinyEngine>[0]) =>
    withTinyEngine(options, () => Promise.resolve());
  await assertRejects(
    () => load({ windowTokenCount: 100 }),
    RangeError,
    "Cannot keep a window of 100 tokens: wanted a multiple of 64 from 0 to 1024",
  );
  await assertRejects(
    () => load({ windowTokenCount: 0, keep: "chunkkv:ratio=0.5" }),
    EngineError,
    "Cannot use --keep with --window 0",
  );
});
