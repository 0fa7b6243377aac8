import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { EngineError, type GenerateRequest } from "../../mod.ts";
import {
  collectEvents,
  collectIds,
  idleStats,
  sharedTinyEngine,
  tinyPrompt,
  withTinyEngine,
} from "../support/tiny_engine.ts";

const engineOf = sharedTinyEngine({});

const RANDOM = { temperature: 1, topK: 0, topP: 1, minP: 0 };

Deno.test("generate() yields prefill progress, then tokens, then one finish", async () => {
  const engine = engineOf();
  const before = await engine.stats();
  const promptIds = tinyPrompt(150, 1);
  const request = { promptIds, maxTokens: 20, ignoreEos: true };
  const events = await collectEvents(engine, request);
  assertEquals(
    events.slice(0, 3).map((event) => event.type === "prefill" ? { ...event, queueMs: 0 } : event),
    [64, 128, 150].map((processedTokenCount) => {
      const promptTokenCount = 150;
      return {
        type: "prefill" as const,
        processedTokenCount,
        promptTokenCount,
        cachedTokenCount: 0,
        queueMs: 0,
      };
    }),
  );
  const tokens = events.slice(3, -1);
  assertEquals(tokens.length, 20);
  for (const event of tokens) {
    assert(event.type === "token" && event.id >= 0 && event.id < engine.info.vocabSize);
  }
  const last = events.at(-1)!;
  assert(last.type === "finish");
  const { timings, ...finish } = last;
  assertEquals(finish, {
    type: "finish",
    reason: "length",
    promptTokenCount: 150,
    completionTokenCount: 20,
    cachedTokenCount: 0,
  });
  assert(timings.queueMs >= 0 && timings.prefillMs > 0 && timings.decodeMs > 0);
  const after = await idleStats(engine);
  assertEquals(after.promptTokenCount - before.promptTokenCount, 150);
  assertEquals(after.generatedTokenCount - before.generatedTokenCount, 20);
});

Deno.test("generate() gives the same tokens for the same seed, others for others", async () => {
  const engine = engineOf();
  const run = (seed: number) => {
    const sampling = { ...RANDOM, seed };
    const request = { promptIds: [5, 6, 7], maxTokens: 24, sampling, ignoreEos: true };
    return collectIds(engine, request);
  };
  const first = await run(1);
  assertEquals(await run(1), first);
  const others = [await run(2), await run(3)];
  for (const other of others) assertNotEquals(other, first);
  assertNotEquals(others[0], others[1]);
  const greedy = () => collectIds(engine, { promptIds: [5, 6, 7], maxTokens: 24 });
  assertEquals(await greedy(), await greedy());
});

Deno.test("generate() stops at the end token unless told to ignore it", async () => {
  const engine = engineOf();
  // Almost uniform, so that the end token, one of 288, comes early for some seed.
  const request = (seed: number, ignoreEos: boolean): GenerateRequest => {
    const sampling = { ...RANDOM, temperature: 100, seed };
    return { promptIds: [9], maxTokens: 400, sampling, ignoreEos };
  };
  for (let seed = 0; seed < 20; seed++) {
    const events = await collectEvents(engine, request(seed, false));
    const last = events.at(-1)!;
    assert(last.type === "finish");
    if (last.reason !== "stop") continue;
    const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
    assertEquals(last.completionTokenCount, ids.length);
    const ignoring = await collectIds(engine, request(seed, true));
    assertEquals(ignoring.length, 400);
    assertEquals(ignoring.slice(0, ids.length), ids);
    assert(ignoring[ids.length] <= 2, "the token after those is a control token");
    assert(ids.every((id) => id !== ignoring[ids.length]));
    return;
  }
  throw new Error("no seed of 20 gave the end token");
});

Deno.test("generate() fills the context exactly and refuses one token more with both numbers", async () => {
  await withTinyEngine({ contextLength: 200 }, async (engine) => {
    const promptIds = tinyPrompt(150, 3);
    assertEquals(engine.info.contextLength, 200);
    const ids = await collectIds(engine, { promptIds, maxTokens: 50, ignoreEos: true });
    assertEquals(ids.length, 50);
    const error = await assertRejects(
      () => collectIds(engine, { promptIds, maxTokens: 51 }),
      EngineError,
      "are 201, the context holds 200",
    );
    assertEquals(error.code, "context_length_exceeded");
  });
});

Deno.test("generate() refuses wrong fields by name and leaves the engine idle", async () => {
  const engine = engineOf();
  const { vocabSize } = engine.info;
  const { stepCount } = await idleStats(engine);
  const cases: [Partial<GenerateRequest>, string][] = [
    [{ promptIds: [] }, "promptIds"],
    [{ promptIds: [0, vocabSize] }, "promptIds"],
    [{ promptIds: [-1] }, "promptIds"],
    [{ maxTokens: -1 }, "maxTokens"],
    [{ sampling: { topP: 0 } }, "topP"],
  ];
  for (const [change, param] of cases) {
    const request = { promptIds: [1], maxTokens: 1, ...change };
    const error = await assertRejects(() => collectIds(engine, request), EngineError);
    assertEquals([error.code, error.param], ["invalid_request", param]);
  }
  assertEquals((await engine.stats()).stepCount, stepCount);
  assertEquals((await collectIds(engine, { promptIds: [1], maxTokens: 1 })).length, 1);
});
