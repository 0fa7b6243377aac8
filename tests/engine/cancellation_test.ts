/** What is freed when a request is aborted, and how soon, on the GPU. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { Engine, GenerateEvent, GenerateRequest } from "../../src/engine/types.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** The step on the GPU when the abort is heard, and the one encoded behind it. */
const STEP_COUNT_MAX = 2;
/** Short enough that nothing of it is ever sealed. */
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

/** Aborts, and steps until the memory of sealed blocks is free. */
async function stepsUntilFree(engine: Engine, gone: AbortController): Promise<number> {
  assertGreater((await engine.stats()).cacheBytes.allocated, 0);
  gone.abort();
  // Messages are heard in order: this one is behind the abort.
  const first = await engine.stats();
  assertEquals([first.runningSequenceCount, first.waitingSequenceCount], [1, 0]);
  let stats = first;
  while (stats.cacheBytes.allocated > 0) stats = await engine.stats();
  return stats.stepCount - first.stepCount;
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

/** Prompt tokens of a step, so many that the neighbour outlives what is aborted by far. */
const OPTIONS = {
  model: { contextLength: 4096 },
  profile: { name: "balanced" },
  sequenceCountMax: 2,
  stepTokenCountMax: 16,
} as const;

for (const { phase, promptCount, isReached } of PHASES) {
  Deno.test(`a request aborted in ${phase} frees its blocks with the step in flight, beside another`, () =>
    withTinyEngine(
      OPTIONS,
      async (engine) => {
        const alone = await collectIds(engine, NEIGHBOUR);
        const ids: number[] = [];
        const neighbour = begin(engine, NEIGHBOUR, (event) => {
          if (event.type === "token") ids.push(event.id);
          return event.type === "finish";
        });
        neighbour.catch(() => {}); // what fails before it is awaited is to be seen instead
        const gone = new AbortController();
        const request = { promptIds: tinyPrompt(promptCount, 2), maxTokens: 500, ignoreEos: true };
        const { rest } = await begin(engine, { ...request, signal: gone.signal }, isReached);
        const stepCount = await stepsUntilFree(engine, gone);
        assert(stepCount <= STEP_COUNT_MAX, `freed ${stepCount} steps later`);
        const { code } = await rest.catch((error) => error);
        assertEquals(code, "aborted");
        await neighbour;
        assertEquals(ids, alone);
      },
    ));
}

Deno.test("a request aborted in the queue is gone at once, and never starts", () =>
  withTinyEngine({ sequenceCountMax: 1 }, async (engine) => {
    const { rest: running } = await begin(engine, NEIGHBOUR, ({ type }) => type === "token");
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
    await running;
    const { promptTokenCount } = await engine.stats();
    assertEquals(promptTokenCount, NEIGHBOUR.promptIds.length);
  }));
