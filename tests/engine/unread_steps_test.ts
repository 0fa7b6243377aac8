/** Steps that are submitted before those before them are read: texts, counts, and what it gains. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
  assertRejects,
} from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest, TokenUse } from "../../src/engine/types.ts";
import { unreadCountOf } from "../../src/engine/token_use.ts";
import {
  STEP_MS_MIN,
  StepClock,
  UNREAD_COUNT_MAX,
  unreadCount,
} from "../../src/runtime/step_clock.ts";
import { LoopHere } from "../support/loop_here.ts";
import { awaitReads, delayReads, type SlowReads } from "../support/slow_reads.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";

Deno.test("unreadCount() keeps a device busy while a step is read, and is 1 where that takes no time", () => {
  assertEquals(unreadCount(10, null), 1, "nothing was measured");
  assertEquals(unreadCount(0.2, 20), 1, "software Vulkan");
  assertEquals(unreadCount(0.2, 2), 1);
  assertEquals(unreadCount(1.2, 4), 2);
  assertEquals(unreadCount(10, 3), 5, "3 ms of 10 for each");
  assertEquals(unreadCount(10, 0.1), UNREAD_COUNT_MAX);
  assertEquals(unreadCount(0, 0), 1);
});

Deno.test("unreadCountOf() lets one step be unread whose token may decide, and two whose tokens are shown", () => {
  const of = (tokenUse: "collect" | "stream" | "watch", readsAll = true) =>
    unreadCountOf({ grammar: null, tokenUse }, readsAll);
  assertEquals([of("collect"), of("stream"), of("watch")], [Infinity, 2, 1]);
  assertEquals(of("stream", false), Infinity, "each is read when it is done");
  assertEquals(unreadCountOf({ grammar: {}, tokenUse: "collect" }, true), 1);
});

Deno.test("StepClock shares the time of steps that are read together, without that of reading", () => {
  const clock = new StepClock({ readsAll: true, waitMs: 10 });
  for (const ms of [100, 101, 102]) clock.submitted(ms);
  assertEquals([clock.read(140), clock.read(141), clock.read(142)], [10, null, null]);
  clock.submitted(150);
  assertEquals(clock.read(155), STEP_MS_MIN, "less than reading takes");
});

Deno.test("StepClock takes a step that was submitted behind another to begin where that ended", () => {
  const clock = new StepClock({ readsAll: false, waitMs: 10 });
  for (const ms of [100, 101, 102]) clock.submitted(ms);
  assertEquals([clock.read(115), clock.read(119), clock.read(124)], [5, 4, 5]);
});

/** Greedy with guesses, seeded with penalties, with reports: all seal blocks on their way. */
const REQUESTS: GenerateRequest[] = [
  { speculates: true },
  { sampling: { temperature: 1.1, topK: 40, seed: 4 }, adjustments: { repetitionPenalty: 1.1 } },
  { sampling: { temperature: 1, seed: 5 }, logprobs: 2 },
].map((options, index) => ({
  promptIds: tinyPrompt(200, index + 1),
  maxTokens: 140,
  tokenUse: "collect",
  speculates: false,
  ...options,
}));

/** Memory in which one of three must give way. */
const OPTIONS = {
  profile: { name: "paper" },
  tune: "off",
  sequenceCountMax: 3,
  cacheSizeBytes: 48 * 1024,
} as const;

const DELAY_MS = 20;

/** What a generation gives: tokens with their reports, and its end. */
async function answer(loop: LoopHere, request: GenerateRequest, { onEvent = () => {} } = {}) {
  const events: object[] = [];
  for await (const event of loop.generate(request)) {
    onEvent();
    if (event.type === "token") events.push(event);
    if (event.type === "finish") events.push({ ...event, timings: null });
  }
  return events;
}

/** Steps that run when one request alone does, and how often they are waited for. */
async function countWaits(loop: LoopHere, reads: SlowReads, request: GenerateRequest) {
  const before = { steps: loop.stats().stepCount, waits: reads.waitCount };
  await answer(loop, request);
  return {
    stepCount: loop.stats().stepCount - before.steps,
    waitCount: reads.waitCount - before.waits,
  };
}

/** Loads while reads are slow, so that they are known to be, and closes. */
async function withSlowLoop<T extends SlowReads>(
  slow: () => T,
  body: (loop: LoopHere, reads: T) => Promise<void>,
): Promise<void> {
  await withTinyModel({ contextLength: 1024 }, async (modelPath) => {
    const reads = slow();
    try {
      const loop = await LoopHere.open({ modelPath, ...OPTIONS });
      try {
        await body(loop, reads);
      } finally {
        await loop.close();
      }
    } finally {
      reads.undo();
    }
  });
}

/** Lets a loop have so many unread steps, whatever they take here. */
function fixUnread(loop: LoopHere, count: number): void {
  const { times } = loop.runtime.driver.runner;
  Object.defineProperty(times, "unreadCountMax", { get: () => count, configurable: true });
}

/** Runs all of {@link REQUESTS} together, in memory in which one must give way. */
async function runTogether(loop: LoopHere, reads: SlowReads) {
  // Blocks of one repeated token are small: behind these all three are admitted.
  await answer(loop, { promptIds: new Array(900).fill(9), maxTokens: 1, skipsCache: true });
  const [before, waitCount] = [loop.stats(), reads.waitCount];
  const answers = await Promise.all(REQUESTS.map((request) => answer(loop, request)));
  const after = loop.stats();
  assertGreaterOrEqual(after.preemptionCount - before.preemptionCount, 1);
  await eventually(() => loop.stats().cacheUsage === 0);
  loop.runtime.driver.scheduler.checkIntegrity();
  const tokenCount = after.generatedTokenCount - before.generatedTokenCount;
  return { told: { answers, tokenCount }, waitCount: reads.waitCount - waitCount };
}

async function sameTexts(loop: LoopHere, reads: SlowReads): Promise<void> {
  fixUnread(loop, 1);
  const middle = (await answer(loop, REQUESTS[2])).at(-50) as { id: number };
  Object.assign(loop.runtime, { eosIds: [middle.id] });
  const wanted = await runTogether(loop, reads);
  assert(wanted.told.answers.some(({ length }) => length < 110), "one ends in the middle");
  for (const unreadCount of [2, 8]) {
    fixUnread(loop, unreadCount);
    const { told, waitCount } = await runTogether(loop, reads);
    assertEquals(told, wanted.told, `${unreadCount} steps unread`);
    // Steps with guesses are read alone.
    assertLess(waitCount, 0.9 * wanted.waitCount);
  }
}

async function fewerReads(loop: LoopHere, reads: SlowReads): Promise<void> {
  const promptIds = tinyPrompt(5, 1);
  const request = { promptIds, maxTokens: 50, ignoreEos: true, speculates: false };
  const stepsByRead = async (tokenUse: TokenUse) => {
    const { stepCount, waitCount } = await countWaits(loop, reads, { ...request, tokenUse });
    return stepCount / waitCount;
  };
  assertEquals(await stepsByRead("collect"), 1, "a CPU reads each step");
  loop.runtime.driver.runner.times.unreadLimit = UNREAD_COUNT_MAX;
  // As many as measured times say: eight, but on a machine that is busy.
  assertGreater(await stepsByRead("collect"), 1.3);
  fixUnread(loop, 8);
  const counts = [];
  for (const use of ["collect", "stream", "watch"] as const) counts.push(await stepsByRead(use));
  // The step of the prompt is read alone.
  assertEquals(counts, [50 / 8, 50 / 26, 1]);
}

async function begunAndAborted(loop: LoopHere): Promise<void> {
  const neighbour = { ...REQUESTS[0], promptIds: tinyPrompt(20, 7) };
  fixUnread(loop, 1);
  const alone = await answer(loop, neighbour);
  fixUnread(loop, UNREAD_COUNT_MAX);
  const running = loop.generate({ ...REQUESTS[1], ignoreEos: true });
  for (let count = 0; count < 20;) if ((await running.next()).value!.type === "token") count++;
  const { stepCount } = loop.stats();
  let firstStepCount = Infinity;
  const onFirst = () => firstStepCount = Math.min(firstStepCount, loop.stats().stepCount);
  const beside = answer(loop, neighbour, { onEvent: onFirst });
  await eventually(() => firstStepCount < Infinity);
  // Those that are unread, the one encoded behind them, its own.
  assertLessOrEqual(firstStepCount - stepCount, UNREAD_COUNT_MAX + 2);
  const { driver } = loop.runtime;
  const submit = driver.submit.bind(driver);
  let besideCount = 0;
  driver.submit = (prepared) => {
    besideCount += Number(prepared.plan.decodes.length > 1);
    submit(prepared);
  };
  await running.return(undefined); // which aborts it
  assertEquals(await beside, alone);
  driver.submit = submit;
  // Those that are submitted together, and the one encoded behind them.
  assertLessOrEqual(besideCount, UNREAD_COUNT_MAX + 1);
  await eventually(() => loop.stats().cacheUsage === 0);
}

Deno.test("steps that take 20 ms to read are read with others", (test) =>
  withSlowLoop(() => delayReads(DELAY_MS), async (loop, reads) => {
    const name = "all of who waits for the end, two of a stream, one of who watches tokens";
    await test.step(name, () => fewerReads(loop, reads));
    reads.delayMs = 0; // it is only counted from here on
    const same = "with the same texts and counts, a stop in the middle and scarce memory";
    await test.step(same, () => sameTexts(loop, reads));
    const soon = "and who comes waits for them alone; who goes is gone with them";
    await test.step(soon, () => begunAndAborted(loop));
  }));

/** Generates until the device fails; notes what is unread then, and committed behind it. */
async function failBetween(loop: LoopHere, seen: Record<"unread" | "committed", number>) {
  const { driver, gpu } = loop.runtime;
  const buffer = gpu.createBuffer("small", 16);
  gpu.onFailure = () => seen.unread = driver.unreadCount;
  const commit = driver.commit.bind(driver);
  driver.commit = (finished) => {
    if (gpu.failure !== null) seen.committed++;
    commit(finished);
  };
  let eventCount = 0;
  const onEvent = () => {
    if (++eventCount === 20) gpu.write(buffer, 16, new Uint32Array(4)); // behind its end
  };
  await answer(loop, { ...REQUESTS[1], ignoreEos: true }, { onEvent });
}

Deno.test("where reads must be awaited, steps are read one by one while others run, and none behind a failure", async () => {
  const seen = { unread: 0, committed: 0 };
  const { code } = await assertRejects(() =>
    withSlowLoop(awaitReads, async (loop, reads) => {
      assert(!loop.runtime.driver.runner.readsAll);
      const told: unknown[] = [];
      for (const unreadCount of [1, 4]) {
        fixUnread(loop, unreadCount);
        reads.pendingCountMax = 0;
        told.push(await answer(loop, { ...REQUESTS[1], tokenUse: "stream", maxTokens: 40 }));
        assertEquals(reads.pendingCountMax, unreadCount, "reads at a time");
      }
      assertEquals(told[1], told[0]);
      await failBetween(loop, seen);
    }), EngineError);
  assertEquals(code, "gpu_validation");
  assertGreaterOrEqual(seen.unread, 1);
  assertEquals(seen.committed, 0);
});
