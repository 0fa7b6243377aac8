/** Answers that are read again for the next turn, by script. */

import { assert, assertEquals } from "@std/assert";
import { Scheduler, type SequenceRequest } from "../../src/scheduler/scheduler.ts";
import type { StepPlan } from "../../src/scheduler/step_plan.ts";

const END_ID = 9;
const ids = (count: number, first = 1000) => Array.from({ length: count }, (_, i) => first + i);

function makeScheduler({ slotCount = 2, blockCount = 200 } = {}): Scheduler {
  return new Scheduler({
    sequenceCountMax: slotCount,
    waitingCountMax: 9,
    contextLength: 4096,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: blockCount * 64 }],
    recordWordsMin: 64,
    recordWordsMax: 64,
    prefix: { root: "r", tileWords: [128] },
  });
}

function admit(scheduler: Scheduler, request: Partial<SequenceRequest> & { sequenceId: number }) {
  const answer = { maxTokens: 200, eosIds: [END_ID], ignoreEos: false, isContinued: true };
  scheduler.admit({ ...answer, promptIds: ids(300), ...request });
}

/** Runs a step; the token sampled is 7. Null if there is nothing to do. */
function step(scheduler: Scheduler): StepPlan | null {
  const plan = scheduler.plan();
  if (plan === null) return null;
  const rows = [...plan.decodes, ...(plan.slice?.isLast ? [plan.slice] : [])];
  const sampled = new Map(rows.map(({ sequenceId }) => [sequenceId, 7]));
  const recordWords = plan.measures.map(() => [64]);
  scheduler.commit(plan, { ids: sampled, recordWords, refused: [] });
  scheduler.checkIntegrity();
  return plan;
}

function run(scheduler: Scheduler, isDone: (plan: StepPlan) => boolean = () => false): StepPlan[] {
  const plans: StepPlan[] = [];
  for (let plan = step(scheduler); plan !== null; plan = step(scheduler)) {
    plans.push(plan);
    if (isDone(plan)) break;
  }
  return plans;
}

/** Prompt tokens read for callers, and for nobody yet. */
function readCounts(plans: readonly StepPlan[]): { asked: number; reread: number } {
  const slices = plans.flatMap(({ slice }) => slice ? [slice] : []);
  const sum = (isAsked: boolean) =>
    slices.filter(({ sequenceId }) => sequenceId > 0 === isAsked)
      .reduce((count, slice) => count + slice.ids.length, 0);
  return { asked: sum(true), reread: sum(false) };
}

/** The next turn: the first one's prompt and answer, and what the user says then. */
const nextTurn = [...ids(300), ...new Array<number>(200).fill(7), ...ids(40, 3000)];

Deno.test("Scheduler finds a decoded answer in the cache once it was read again", () => {
  const scheduler = makeScheduler();
  admit(scheduler, { sequenceId: 1 });
  assertEquals(readCounts(run(scheduler)), { asked: 300, reread: 7 * 64 + 1 - 4 * 64 });
  admit(scheduler, { sequenceId: 2, promptIds: nextTurn });
  const plans = run(scheduler);
  assertEquals(plans[0].starts[0].cachedTokenCount, 7 * 64, "of 300 + 200 tokens");
  assertEquals(readCounts(plans).asked, 540 - 448);
  const { prefixQueryCount, prefixHitCount } = scheduler.stats();
  assertEquals([prefixQueryCount, prefixHitCount], [840, 448], "of what callers asked");
});

Deno.test("Scheduler reads no answer again that nobody continues, or that completes no block", () => {
  for (const request of [{ isContinued: false }, { skipsCache: true }, { maxTokens: 20 }]) {
    const scheduler = makeScheduler();
    admit(scheduler, { sequenceId: 1, ...request });
    assertEquals(readCounts(run(scheduler)), { asked: 300, reread: 0 });
  }
});

Deno.test("a next turn waits for its answer that is being read, and reads it itself otherwise", () => {
  const scheduler = makeScheduler();
  admit(scheduler, { sequenceId: 1 });
  const isReading = ({ slice }: StepPlan) => slice !== null && slice.sequenceId < 0;
  run(scheduler, isReading);
  admit(scheduler, { sequenceId: 2, promptIds: nextTurn });
  const plans = run(scheduler);
  const start = plans.flatMap(({ starts }) => starts).find(({ sequenceId }) => sequenceId === 2);
  assertEquals(start?.cachedTokenCount, 448);
  const [first] = run(scheduler);
  assertEquals(first, undefined);

  const busy = makeScheduler({ slotCount: 1 });
  admit(busy, { sequenceId: 1 });
  admit(busy, { sequenceId: 2, promptIds: ids(500, 9000), maxTokens: 1 });
  admit(busy, { sequenceId: 3, promptIds: nextTurn, maxTokens: 1 });
  assertEquals(readCounts(run(busy)), { asked: 300 + 500 + 540 - 256, reread: 0 });
});

Deno.test("reading an answer again gives way at once: to requests without a slot, and for memory", () => {
  const scheduler = makeScheduler({ slotCount: 1 });
  admit(scheduler, { sequenceId: 1 });
  run(scheduler, ({ slice }) => slice !== null && slice.sequenceId < 0);
  assertEquals(scheduler.stats().runningCount, 0, "it is no request");
  admit(scheduler, { sequenceId: 2, promptIds: ids(500, 9000), maxTokens: 1 });
  const plan = step(scheduler);
  assertEquals(plan?.starts.map(({ sequenceId }) => sequenceId), [2]);
  assertEquals(readCounts(run(scheduler)).reread, 0);

  const small = makeScheduler({ blockCount: 16 });
  admit(small, { sequenceId: 1 });
  run(small, ({ slice }) => slice !== null && slice.sequenceId < 0);
  admit(small, { sequenceId: 2, promptIds: ids(1000, 9000), maxTokens: 1 });
  const last = run(small).at(-1);
  assertEquals(last?.slice?.sequenceId, 2);
  assertEquals(small.drainEvents().at(-1)?.type, "finish");
});

Deno.test("answers beside other prompts are read after them, and not by what decodes waits for", () => {
  const scheduler = makeScheduler({ slotCount: 3 });
  admit(scheduler, { sequenceId: 1 });
  admit(scheduler, { sequenceId: 2, promptIds: ids(100, 5000), maxTokens: 900 });
  run(scheduler, ({ slice }) => slice !== null && slice.sequenceId < 0);
  admit(scheduler, { sequenceId: 3, promptIds: ids(300, 7000), maxTokens: 1 });
  const slices = run(scheduler).flatMap(({ slice }) => slice ? [slice.sequenceId] : []);
  const lastAsked = slices.lastIndexOf(3);
  assert(lastAsked >= 4, "five slices");
  assert(slices.slice(0, lastAsked).every((id) => id === 3), String(slices));
  assert(slices.slice(lastAsked + 1).every((id) => id < 0));
});

Deno.test("Scheduler keeps the ends of the first and last messages as places to begin", () => {
  const scheduler = makeScheduler();
  const messageEnds = [330, 420, 530, 700, 1000, 1300, 1600, 1900];
  admit(scheduler, { sequenceId: 1, promptIds: ids(1900), messageEnds, maxTokens: 1 });
  run(scheduler);
  const cachedCount = (sequenceId: number, sharedCount: number) => {
    const promptIds = [...ids(sharedCount), ...ids(100, 20_000 + sequenceId * 1000)];
    admit(scheduler, { sequenceId, promptIds, maxTokens: 1 });
    return run(scheduler)[0].starts[0].cachedTokenCount;
  };
  const blocksOf = (tokenCount: number) => Math.floor(tokenCount / 64) * 64;
  assertEquals(cachedCount(2, 330), blocksOf(330), "the system prompt");
  assertEquals(cachedCount(3, 420), blocksOf(420));
  assertEquals(cachedCount(4, 1300), blocksOf(1300), "the turn before the last three");
  assertEquals(cachedCount(5, 550), blocksOf(420), "a turn in the middle is not kept");
});
