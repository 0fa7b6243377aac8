/**
 * A model of whose layers one sees a window that is longer than the raw one: its blocks are sealed
 * within, and freed behind it. Sharing, running beside others, preemption and files, on the GPU.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { Engine, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectIds,
  collectTokens,
  idleStats,
  tinyPrompt,
  type TokenEvent,
  withTinyEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";
import { createEngine } from "../../src/engine/client.ts";

/** Layer 0 sees 200 tokens: of 4 blocks before that of a token. Layer 1 sees everything. */
const MODEL = {
  architecture: "gemma2",
  contextLength: 2048,
  metadata: { "gemma2.attention.sliding_window": 200 },
};
/** The same, where the heads of layer 0 are twice as large as in layer 1: it seals nothing. */
const OWN_HEADS = {
  architecture: "gemma4",
  contextLength: 2048,
  sizesMetadata: { "gemma4.attention.sliding_window": 200 },
};
/** A ring of 32 tokens in layer 0, and learned sinks. */
const SINKS = {
  architecture: "gpt-oss",
  contextLength: 2048,
  type: "Q8_0",
  metadata: { "gpt-oss.attention.sliding_window": 32 },
} as const;
/** Not the profile's own steps, which the first start would try on the model. */
const FINE = { name: "near-lossless" as const, keyStep: 1.14 };

function ask(promptIds: readonly number[], seed: number): GenerateRequest {
  return { promptIds, maxTokens: 90, ignoreEos: true, sampling: { temperature: 1.3, seed } };
}

/** With log-probabilities, to the last bit. */
const run = (engine: Engine, request: GenerateRequest) =>
  collectTokens(engine, { ...request, logprobs: 3 });

const CASES = [
  { model: MODEL, profile: FINE },
  { model: OWN_HEADS, profile: FINE },
];

for (const { model, profile } of CASES) {
  Deno.test(`where layers see a window, a text does not depend on the cache, nor on others, nor on files (${model.architecture}, ${profile.name})`, () =>
    withTinyModel(model, async (modelPath) => {
      const file = await Deno.makeTempFile({ prefix: "packkv-window-" });
      const open = () => createEngine({ modelPath, profile, sequenceCountMax: 4 });
      const document = tinyPrompt(700, 1);
      const requests = [1, 2, 3].map((seed) => ask([...document, ...tinyPrompt(30, seed)], seed));
      const alone: TokenEvent[][] = [];
      const first = await open();
      try {
        for (const request of requests) {
          alone.push((await run(first, { ...request, skipsCache: true })).tokens);
        }
        const parted = ask([...document.slice(0, 450), ...tinyPrompt(90, 4)], 4);
        const again = await run(first, requests[0]);
        assertEquals(again, { tokens: alone[0], cached: 704 });
        // The first that begins where another prompt goes on.
        const other = await run(first, parted);
        assertEquals(other.cached, 448);
        const own = await run(first, { ...parted, skipsCache: true });
        assertEquals(other.tokens, own.tokens);
        const together = await Promise.all([...requests, parted].map((each) => run(first, each)));
        assertEquals(together.map(({ tokens }) => tokens), [...alone, own.tokens]);
        await first.actOnSlot(0, { type: "save", path: file });
      } finally {
        await first.close();
      }
      const second = await open();
      try {
        const { tokenCount } = await second.actOnSlot(2, { type: "restore", path: file });
        assertGreater(tokenCount, 300);
        const restored = await Promise.all(requests.map((each) => run(second, each)));
        assertEquals(restored.map(({ tokens }) => tokens), alone);
        assert(restored.some(({ cached }) => cached > 300), "some began behind what was restored");
      } finally {
        await second.close();
        await Deno.remove(file);
      }
    }));
}

/** Of 3 slots: bytes of raw tiles of 64 tokens, keys and values of 2 bytes, in each layer. */
const PREEMPTED = [
  // 3 tiles of 2 heads of 32 channels.
  { model: MODEL, cacheSizeBytes: 56 * 1024, reach: 200, windows: [3 * 3 * 16384, 3 * 3 * 16384] },
  // 5 tiles of heads of 64.
  {
    model: OWN_HEADS,
    cacheSizeBytes: 36 * 1024,
    reach: 200,
    windows: [3 * 5 * 32768, 3 * 3 * 16384],
  },
  // No fewer tiles than a layer that seals.
  { model: SINKS, cacheSizeBytes: 36 * 1024, reach: 32, windows: [3 * 3 * 16384, 3 * 3 * 16384] },
];

for (const { model, cacheSizeBytes, reach, windows } of PREEMPTED) {
  const options = { model, cacheSizeBytes, hostSizeBytes: 2 ** 24, sequenceCountMax: 3 };
  Deno.test(`where layers see a window, a preempted sequence ends with the same tokens (${model.architecture})`, () =>
    withTinyEngine(options, async (engine) => {
      // Blocks of one repeated token are small: after many of them all three are admitted.
      for (let id = 9; id < 17; id++) {
        await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 10 });
      }
      const before = await idleStats(engine);
      assertEquals((await engine.stats()).layerBytes, [
        { reach, keyValueLayer: 0, window: windows[0], packed: 0, packedTokens: 0 },
        { reach: null, keyValueLayer: 1, window: windows[1], packed: 0, packedTokens: 0 },
      ]);
      assertEquals(engine.info.windowBytes, windows[0] + windows[1]);
      const requests = [1, 2, 3].map((seed) => ({
        ...ask(tinyPrompt(200, seed), seed),
        maxTokens: 210,
      }));
      const texts = await Promise.all(requests.map((request) => collectIds(engine, request)));
      const after = await idleStats(engine);
      assertGreater(after.preemptionCount, before.preemptionCount);
      assertGreater(after.loadedBlockCount, before.loadedBlockCount);
      const promptTokenCount = after.promptTokenCount - before.promptTokenCount;
      assertEquals(promptTokenCount, 600, "no prompt is read again");
      for (const [index, request] of requests.entries()) {
        const alone = await collectIds(engine, { ...request, skipsCache: true });
        assertEquals(texts[index], alone, `request ${index}`);
      }
    }));
}

Deno.test("a window with heads of its own is a ring of their size, however long the context is", () =>
  withTinyModel(OWN_HEADS, async (modelPath) => {
    const texts: number[][] = [];
    for (const contextLength of [200, 201]) {
      const options = { profile: { name: "exact" as const }, contextLength, sequenceCountMax: 1 };
      const engine = await createEngine({ modelPath, ...options });
      try {
        assertEquals(engine.info.layerReaches, [200, null]);
        const [windowed, whole] = (await engine.stats()).layerBytes;
        // 5 tiles of heads of 64 channels, 3 tiles of heads of 32.
        assertEquals([windowed.window, whole.window], [5 * 32768, 3 * 16384]);
        texts.push(await collectIds(engine, { ...ask(tinyPrompt(150, 1), 1), maxTokens: 50 }));
      } finally {
        await engine.close();
      }
    }
    assertEquals(texts[0], texts[1]);
  }));

Deno.test("a layer whose window is as long as the context keeps everything, with the same text", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const texts: number[][] = [];
    for (const contextLength of [200, 201]) {
      const options = { profile: { name: "exact" as const }, contextLength, sequenceCountMax: 1 };
      const engine = await createEngine({ modelPath, ...options });
      try {
        assertEquals(engine.info.layerReaches, [contextLength === 200 ? null : 200, null]);
        texts.push(await collectIds(engine, { ...ask(tinyPrompt(150, 1), 1), maxTokens: 50 }));
      } finally {
        await engine.close();
      }
    }
    assertEquals(texts[0], texts[1]);
  }));

Deno.test("sealed blocks of a layer that sees a window are freed behind it", () =>
  withTinyEngine({ model: MODEL, sequenceCountMax: 1 }, async (engine) => {
    const held: number[][] = [];
    const request = { ...ask(tinyPrompt(900, 1), 1), maxTokens: 70 };
    for await (const event of engine.generate(request)) {
      if (event.type !== "token") continue;
      const { layerBytes, cacheUsage } = await engine.stats();
      if (cacheUsage === 0) continue; // it has ended meanwhile
      held.push(layerBytes.map(({ packedTokens }) => packedTokens / 64));
      // Of 2 heads of 32 channels, keys and values of 2 bytes.
      assert(layerBytes.every(({ packed, packedTokens: tokens }) => packed < tokens * 256));
    }
    // Of 4 blocks before its own a token sees something, of which 2 are raw.
    assert(held.every(([windowed]) => windowed === 2), String(held));
    assertEquals([held[0][1], held.at(-1)![1]], [12, 13]);
  }));
