/** What is freed when a request is aborted, and how soon, on the GPU. */

import { assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import type { Engine, GenerateEvent, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectIds,
  idleStats,
  sharedTinyEngine,
  tinyPrompt,
  withTinyEngine,
} from "../support/tiny_engine.ts";

/** The step on the GPU when the abort is heard, and the one encoded behind it. */
const STEP_COUNT_MAX = 2;
/** Short enough that nothing of it is ever sealed; one follows another while they are needed. */
const NEIGHBOUR: GenerateRequest = {
  promptIds: tinyPrompt(10, 1),
  maxTokens: 150,
  ignoreEos: true,
};

/** Reads a generation until `isReached`; what is left of it rejects when it is aborted. */
async function begin(
  engine: Engine,
  request: GenerateRequest,
  isReached: (event: GenerateEvent) => boolean,
): Promise<{ rest: Promise<void> }> {
  const events = engine.generate(request)[Symbol.asyncIterator]();
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (isReached(next.value)) break;
  }
  const rest = (async () => {
    while (!(await events.next()).done);
  })();
  // Looked at later.
  rest.catch(() => {});
  return { rest };
}

/**
 * Aborts, and looks until the memory of sealed blocks is free. It is late if a look still finds it
 * held that many steps later: when it is first found free says only how busy this thread is.
 */
async function assertFreed(engine: Engine, gone: AbortController): Promise<void> {
  assertGreater((await engine.stats()).cacheBytes.allocated, 0);
  gone.abort();
  // Messages are heard in order: this one is behind the abort.
  const first = await engine.stats();
  // A neighbour, or none between two of them.
  assertLessOrEqual(first.runningSequenceCount + first.waitingSequenceCount, 1);
  for (let stats = first; stats.cacheBytes.allocated > 0; stats = await engine.stats()) {
    const stepCount = stats.stepCount - first.stepCount;
    assertLess(stepCount, STEP_COUNT_MAX, `still held ${stepCount} steps later`);
  }
}

const PHASES = [
  { phase: "decode", promptCount: 400, isReached: ({ type }: GenerateEvent) => type === "token" },
  {
    phase: "prefill",
    promptCount: 3000,
    isReached: (event: GenerateEvent) =>
      event.type === "prefill" && event.processedTokenCount >= 320,
  },
];

/** Few prompt tokens a step, so that a prefill takes long. */
const OPTIONS = {
  model: { contextLength: 4096 },
  profile: { name: "balanced" },
  sequenceCountMax: 2,
  stepTokenCountMax: 16,
} as const;

const shared = sharedTinyEngine(OPTIONS);

for (const { phase, promptCount, isReached } of PHASES) {
  Deno.test(`a request aborted in ${phase} frees its blocks with the step in flight, beside another`, async () => {
    const engine = shared();
    const alone = await collectIds(engine, NEIGHBOUR);
    let isOver = false;
    const neighbours = (async () => {
      while (!isOver) assertEquals(await collectIds(engine, NEIGHBOUR), alone);
    })();
    neighbours.catch(() => {}); // what fails before it is awaited is to be seen instead
    const gone = new AbortController();
    const request = {
      promptIds: tinyPrompt(promptCount, promptCount),
      maxTokens: 1000,
      ignoreEos: true,
    };
    const { rest } = await begin(engine, { ...request, signal: gone.signal }, isReached);
    await assertFreed(engine, gone);
    const { code } = await rest.catch((error) => error);
    assertEquals(code, "aborted");
    isOver = true;
    await neighbours;
  });
}

Deno.test("a request aborted in the queue is gone at once, and never starts", () =>
  withTinyEngine({ model: { contextLength: 8192 }, sequenceCountMax: 1 }, async (engine) => {
    const end = new AbortController();
    const long = { ...NEIGHBOUR, maxTokens: 8000, signal: end.signal };
    const { rest: running } = await begin(engine, long, ({ type }) => type === "token");
    const gone = new AbortController();
    const waiting = collectIds(engine, {
      promptIds: tinyPrompt(400, 2),
      maxTokens: 5,
      signal: gone.signal,
    }).catch(({ code }) => code);
    while ((await engine.stats()).waitingSequenceCount === 0);
    gone.abort();
    assertEquals((await engine.stats()).waitingSequenceCount, 0);
    assertEquals(await waiting, "aborted");
    end.abort();
    assertEquals(await running.catch(({ code }) => code), "aborted");
    const { promptTokenCount } = await idleStats(engine);
    assertEquals(promptTokenCount, NEIGHBOUR.promptIds.length);
  }));
