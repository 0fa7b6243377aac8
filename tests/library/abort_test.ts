import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, EngineError, type EngineStats, type GenerateEvent } from "../../mod.ts";
import { collectIds, idleStats, sharedTinyEngine, tinyPrompt } from "../support/tiny_engine.ts";

const engineOf = sharedTinyEngine({ model: { contextLength: 16_384 }, sequenceCountMax: 1 });

/** So many that they are over before they are aborted on no machine. */
const TOKEN_COUNT = 16_000;

let seed = 0;

/** A long request, of whose prompt nothing is in the cache. */
function long() {
  return { promptIds: tinyPrompt(300, ++seed), maxTokens: TOKEN_COUNT, ignoreEos: true };
}

/** A generation whose events are taken one by one. */
function start(engine: Engine, request = long()) {
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

/** Not all tokens that were asked for were sampled since `before`. */
async function assertNotFinished(engine: Engine, before: EngineStats): Promise<void> {
  const { generatedTokenCount } = await engine.stats();
  const count = generatedTokenCount - before.generatedTokenCount;
  assert(count < TOKEN_COUNT, `${count} tokens were generated`);
}

/** Nothing runs, and nothing is left in the cache. */
async function assertReleased(engine: Engine): Promise<void> {
  const { cacheBytes } = await idleStats(engine);
  assertEquals(cacheBytes, { raw: 0, payload: 0, packed: 0, allocated: 0 });
}

for (const phase of ["prefill", "token"] as const) {
  Deno.test(`aborting after a ${phase} event rejects the iteration and frees the memory`, async () => {
    const engine = engineOf();
    const before = await engine.stats();
    const { abort, events, take } = start(engine);
    await take(phase);
    abort.abort();
    await assertAborted(events);
    await assertReleased(engine);
    await assertNotFinished(engine, before);
    assertEquals((await collectIds(engine, { promptIds: [1], maxTokens: 2 })).length, 2);
  });
}

Deno.test("aborting a waiting request rejects it and leaves the running one alone", async () => {
  const engine = engineOf();
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

Deno.test("aborting ends a sequence whose events nobody takes any more", async () => {
  const engine = engineOf();
  const before = await engine.stats();
  const { abort, events, take } = start(engine);
  await take("token");
  abort.abort();
  await assertReleased(engine);
  await assertNotFinished(engine, before);
  await assertAborted(events);
});

Deno.test("a signal aborted before the start rejects with aborted and starts nothing", async () => {
  const engine = engineOf();
  const { stepCount } = await idleStats(engine);
  const { abort, events } = start(engine);
  abort.abort();
  await assertAborted(events);
  assertEquals((await engine.stats()).stepCount, stepCount);
});

Deno.test("a signal aborted after the finish changes nothing", async () => {
  const engine = engineOf();
  const { abort, events, take } = start(engine, { ...long(), maxTokens: 3 });
  await take("finish");
  abort.abort();
  assertEquals((await events.next()).done, true);
});

Deno.test("leaving the loop ends the sequence", async () => {
  const engine = engineOf();
  const before = await engine.stats();
  for await (const event of engine.generate(long())) {
    if (event.type === "token") break;
  }
  await assertReleased(engine);
  await assertNotFinished(engine, before);
});
