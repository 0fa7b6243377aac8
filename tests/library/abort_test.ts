import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, EngineError, type GenerateEvent } from "../../mod.ts";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** So long that it is over before it is aborted on no machine. */
const LONG = { promptIds: tinyPrompt(300, 1), maxTokens: 16_000, ignoreEos: true };
const OPTIONS = { model: { contextLength: 16_384 }, sequenceCountMax: 1 };

/** A generation whose events are taken one by one. */
function start(engine: Engine, request = LONG) {
  const abort = new AbortController();
  const { signal } = abort;
  const events = engine.generate({ ...request, signal })[Symbol.asyncIterator]();
  const take = async (type: GenerateEvent["type"]) => {
    while (true) {
      const { value, done } = await events.next();
      assert(!done, `a ${type} event comes before the end`);
      if (value.type === type) return;
    }
  };
  return { abort, events, take };
}

/** Pulls until the iteration rejects; it must be with `aborted`. */
async function assertAborted(events: AsyncIterator<GenerateEvent>): Promise<void> {
  const error = await assertRejects(async () => {
    while (!(await events.next()).done);
  }, EngineError);
  assertEquals(error.code, "aborted");
}

/** Nothing runs, and nothing is left in the cache. */
async function assertReleased(engine: Engine): Promise<void> {
  const { cacheBytes } = await idleStats(engine);
  assertEquals(cacheBytes, { raw: 0, payload: 0, packed: 0, allocated: 0 });
}

for (const phase of ["prefill", "token"] as const) {
  Deno.test(`aborting after a ${phase} event rejects the iteration and frees the memory`, async () => {
    await withTinyEngine(OPTIONS, async (engine) => {
      const { abort, events, take } = start(engine);
      await take(phase);
      abort.abort();
      await assertAborted(events);
      await assertReleased(engine);
      const { generatedTokenCount } = await engine.stats();
      assert(generatedTokenCount < LONG.maxTokens, `${generatedTokenCount} tokens were generated`);
      assertEquals((await collectIds(engine, { promptIds: [1], maxTokens: 2 })).length, 2);
    });
  });
}

Deno.test("aborting a waiting request rejects it and leaves the running one alone", async () => {
  await withTinyEngine(OPTIONS, async (engine) => {
    const running = start(engine);
    await running.take("token");
    const waiting = start(engine);
    const aborted = assertAborted(waiting.events);
    while ((await engine.stats()).waitingSequenceCount === 0);
    waiting.abort.abort();
    await aborted;
    const { runningSequenceCount, waitingSequenceCount } = await engine.stats();
    assertEquals([runningSequenceCount, waitingSequenceCount], [1, 0]);
    await running.take("token");
    running.abort.abort();
    await assertAborted(running.events);
    await assertReleased(engine);
  });
});

Deno.test("aborting ends a sequence whose events nobody takes any more", async () => {
  await withTinyEngine(OPTIONS, async (engine) => {
    const { abort, events, take } = start(engine);
    await take("token");
    abort.abort();
    await assertReleased(engine);
    const { generatedTokenCount } = await engine.stats();
    assert(generatedTokenCount < LONG.maxTokens, `${generatedTokenCount} tokens were generated`);
    await assertAborted(events);
  });
});

Deno.test("a signal aborted before the start rejects with aborted and starts nothing", async () => {
  await withTinyEngine(OPTIONS, async (engine) => {
    const { abort, events } = start(engine);
    abort.abort();
    await assertAborted(events);
    assertEquals((await engine.stats()).stepCount, 0);
  });
});

Deno.test("a signal aborted after the finish changes nothing", async () => {
  await withTinyEngine(OPTIONS, async (engine) => {
    const { abort, events, take } = start(engine, { ...LONG, maxTokens: 3 });
    await take("finish");
    abort.abort();
    assertEquals((await events.next()).done, true);
  });
});

Deno.test("leaving the loop ends the sequence", async () => {
  await withTinyEngine(OPTIONS, async (engine) => {
    for await (const event of engine.generate(LONG)) {
      if (event.type === "token") break;
    }
    await assertReleased(engine);
    const { generatedTokenCount } = await engine.stats();
    assert(generatedTokenCount < LONG.maxTokens, `${generatedTokenCount} tokens were generated`);
  });
});
