/** Scripts of events, and the plans and events that must follow. */

import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { Scheduler, type SchedulerOptions } from "../../src/scheduler/scheduler.ts";
import type { StepPlan, StepResult } from "../../src/scheduler/step_plan.ts";

const END = 0;

/** Two groups of layers; each record takes 64 words, so a block takes 128 and 64 words. */
const LAYER_WORDS = [64, 64, 64];

function makeScheduler(options: Partial<SchedulerOptions> = {}): Scheduler {
  return new Scheduler({
    sequenceCountMax: 2,
    waitingCountMax: 3,
    contextLength: 4096,
    layerCount: 3,
    arenas: [{ storeCount: 2, wordCount: 12_800 }, { storeCount: 1, wordCount: 6400 }],
    recordWordsMin: 64,
    recordWordsMax: 64,
    ...options,
  });
}

function admit(scheduler: Scheduler, sequenceId: number, sizes: { prompt: number; max?: number }) {
  const promptIds = Array.from({ length: sizes.prompt }, (_, index) => 100 + index);
  const maxTokens = sizes.max ?? 10;
  scheduler.admit({ sequenceId, promptIds, maxTokens, eosIds: [END], ignoreEos: false });
}

/** Commits with token 7, or `id`, for everyone. */
function commit(
  scheduler: Scheduler,
  plan: StepPlan,
  options: Partial<StepResult> & { id?: number } = {},
) {
  const { id = 7, ...rest } = options;
  const rows = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])];
  scheduler.commit(plan, {
    ids: new Map(rows.map(({ sequenceId }) => [sequenceId, id])),
    recordWords: plan.measures.map(() => LAYER_WORDS),
    refused: [],
    ...rest,
  });
  scheduler.checkIntegrity();
}

/** Plans and commits steps until nothing is left; returns the plans. */
function runOut(scheduler: Scheduler, stepCountMax = 1000): StepPlan[] {
  const plans: StepPlan[] = [];
  while (plans.length < stepCountMax) {
    const plan = scheduler.plan();
    if (plan === null) break;
    plans.push(plan);
    commit(scheduler, plan);
  }
  assertLess(plans.length, stepCountMax);
  return plans;
}

/** Plans and commits until `isReached`; returns the plan that reached it, committed. */
function runTo(scheduler: Scheduler, isReached: (plan: StepPlan) => boolean): StepPlan {
  for (let stepCount = 0; stepCount < 1000; stepCount++) {
    const plan = scheduler.plan()!;
    commit(scheduler, plan);
    if (isReached(plan)) return plan;
  }
  throw new Error("the state is reached");
}

function sliceShape({ slice }: StepPlan) {
  return slice && [slice.position, slice.ids.length, slice.listCount, slice.isLast];
}

Deno.test("Scheduler.plan() is null with nothing to run", () => {
  const scheduler = makeScheduler();
  assertEquals(scheduler.plan(), null);
});

Deno.test("Scheduler cuts a prompt at multiples of 64 and seals blocks 128 tokens behind", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 300, max: 1 });
  const plans = runOut(scheduler);
  assertEquals(plans.map(sliceShape), [
    [0, 64, 0, false],
    [64, 64, 0, false],
    [128, 64, 0, false],
    [192, 64, 1, false],
    [256, 44, 2, true],
  ]);
  assertEquals(plans[2].measures, [{ sequenceId: 1, slot: 0, blockIndex: 0 }]);
  assertEquals(plans[3].packs, [{
    slot: 0,
    blockIndex: 0,
    listIndex: 0,
    jobIndex: 0,
    recordOffsets: [0, 64, 0],
  }]);
  assertEquals(plans[4].packs[0].recordOffsets, [128, 192, 64]);
  assertEquals(plans.flatMap(({ measures }) => measures).length, 2);
});

Deno.test("Scheduler reports progress, tokens and the end in order", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 5, { prompt: 65, max: 2 });
  const counts = { promptTokenCount: 65, cachedTokenCount: 0 };
  runOut(scheduler);
  assertEquals(scheduler.drainEvents(), [
    { type: "prefill", sequenceId: 5, processedTokenCount: 64, ...counts },
    { type: "prefill", sequenceId: 5, processedTokenCount: 65, ...counts },
    { type: "token", sequenceId: 5, id: 7 },
    { type: "token", sequenceId: 5, id: 7 },
    {
      type: "finish",
      sequenceId: 5,
      reason: "length",
      ...counts,
      completionTokenCount: 2,
    },
  ]);
  assertEquals(scheduler.drainEvents(), []);
});

Deno.test("Scheduler decodes running sequences beside a slice of one other, oldest first", () => {
  const scheduler = makeScheduler({ sequenceCountMax: 3 });
  for (const id of [1, 2, 3]) admit(scheduler, id, { prompt: 10 });
  const plans = [0, 1, 2, 3].map(() => {
    const plan = scheduler.plan()!;
    commit(scheduler, plan);
    return plan;
  });
  assertEquals(plans.map(({ slice }) => slice?.sequenceId), [1, 2, 3, undefined]);
  const rows = plans.map(({ decodes }) => decodes.map((row) => [row.sequenceId, row.position]));
  assertEquals(rows, [[], [[1, 10]], [[1, 11], [2, 10]], [[1, 12], [2, 11], [3, 10]]]);
});

Deno.test("Scheduler spreads the layers of a slice over the steps that decode, as the budget says", () => {
  const scheduler = makeScheduler({ stepTokenCountMax: 23 });
  admit(scheduler, 1, { prompt: 10, max: 50 });
  commit(scheduler, scheduler.plan()!);
  admit(scheduler, 2, { prompt: 70 });
  const layers = runOut(scheduler).flatMap(({ slice }) =>
    slice ? [[slice.position, slice.layers.first, slice.layers.end, slice.isComplete]] : []
  );
  assertEquals(layers, [
    [0, 0, 1, false],
    [0, 1, 2, false],
    [0, 2, 3, true],
    [64, 0, 3, true], // 6 tokens cost less than 23
  ]);
});

Deno.test("Scheduler cuts slices shorter where one layer of a whole one is more than a step pays for", () => {
  const sizesFor = (stepTokenCountMax: number) => {
    const scheduler = makeScheduler({ stepTokenCountMax });
    admit(scheduler, 1, { prompt: 10, max: 60 });
    commit(scheduler, scheduler.plan()!);
    admit(scheduler, 2, { prompt: 70 });
    const slices = runOut(scheduler).flatMap(({ slice }) => slice?.isComplete ? [slice] : []);
    return slices.map(({ position, ids }) => [position, ids.length]);
  };
  // Three layers: a step of 11 tokens pays for one layer of 33, one of 22 for one of 66.
  assertEquals(sizesFor(22), [[0, 64], [64, 6]]);
  assertEquals(sizesFor(11), [[0, 32], [32, 32], [64, 6]]);
  const smallest = [[0, 16], [16, 16], [32, 16], [48, 16], [64, 6]];
  assertEquals(sizesFor(6), smallest);
  assertEquals(sizesFor(1), smallest);
});

Deno.test("Scheduler drops the open slice of an aborted sequence, and runs another's from its start", () => {
  const scheduler = makeScheduler({ stepTokenCountMax: 23, sequenceCountMax: 3 });
  admit(scheduler, 1, { prompt: 10, max: 50 });
  commit(scheduler, scheduler.plan()!);
  admit(scheduler, 2, { prompt: 70 });
  admit(scheduler, 3, { prompt: 80 });
  commit(scheduler, scheduler.plan()!);
  scheduler.abort(2);
  const { slice } = scheduler.plan()!;
  assertEquals([slice?.sequenceId, slice?.layers], [3, { first: 0, end: 1 }]);
});

Deno.test("Scheduler reads prompts faster the more of them wait beside those that decode", () => {
  const scheduler = makeScheduler({ stepTokenCountMax: 23, sequenceCountMax: 4 });
  admit(scheduler, 1, { prompt: 10, max: 50 });
  commit(scheduler, scheduler.plan()!);
  for (const id of [2, 3]) admit(scheduler, id, { prompt: 64 });
  assertEquals(scheduler.plan()!.slice?.layers, { first: 0, end: 2 });
});

Deno.test("Scheduler.plan() runs one step ahead of commit, not two", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 3 });
  const first = scheduler.plan()!;
  const second = scheduler.plan()!;
  assertEquals([first.slice?.isLast, second.decodes[0].position], [true, 3]);
  assertEquals(scheduler.plan(), null);
  commit(scheduler, first);
  assertEquals(scheduler.plan()!.decodes[0].position, 4);
});

Deno.test("Scheduler discards the row planned ahead for a sequence that had ended", () => {
  const scheduler = makeScheduler({ sequenceCountMax: 1 });
  admit(scheduler, 1, { prompt: 3 });
  admit(scheduler, 2, { prompt: 3 });
  const first = scheduler.plan()!;
  const second = scheduler.plan()!;
  commit(scheduler, first, { id: END });
  assertEquals(scheduler.drainEvents().map(({ type }) => type), ["prefill", "finish"]);
  assertEquals(scheduler.plan(), null, "the slot is held while the second step uses it");
  commit(scheduler, second);
  assertEquals(scheduler.drainEvents(), []);
  assertEquals(scheduler.plan()!.slice?.sequenceId, 2);
});

Deno.test("Scheduler plans no row beyond maxTokens when it runs ahead", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 3, max: 2 });
  const plans = [scheduler.plan()!, scheduler.plan()!];
  commit(scheduler, plans[0]);
  assertEquals(scheduler.plan(), null);
  commit(scheduler, plans[1]);
  assertEquals(scheduler.stats().runningCount, 0);
});

Deno.test("Scheduler.plan() waits for the commit of a step that measures", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 192 });
  for (let index = 0; index < 2; index++) commit(scheduler, scheduler.plan()!);
  const measuring = scheduler.plan()!;
  assertEquals(measuring.measures.length, 1);
  assertEquals(scheduler.plan(), null);
  commit(scheduler, measuring);
  const next = scheduler.plan()!;
  assertEquals([next.packs.length, next.decodes[0].listCount], [1, 1]);
});

Deno.test("Scheduler takes the end token for a token if ignoreEos", () => {
  const scheduler = makeScheduler();
  const request = { sequenceId: 1, promptIds: [9], maxTokens: 2, eosIds: [END] };
  scheduler.admit({ ...request, ignoreEos: true });
  commit(scheduler, scheduler.plan()!, { id: END });
  commit(scheduler, scheduler.plan()!, { id: END });
  const events = scheduler.drainEvents().slice(1);
  assertEquals(events.map(({ type }) => type), ["token", "token", "finish"]);
});

Deno.test("Scheduler keeps jobIndex of a block if one measured beside it is dropped", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 190, max: 50 });
  admit(scheduler, 2, { prompt: 192, max: 50 });
  const plan = runTo(scheduler, ({ measures }) => measures.length > 0);
  const jobs = plan.measures.map(({ sequenceId }) => sequenceId);
  scheduler.abort(jobs[0]);
  const packs = scheduler.plan()!.packs;
  assertEquals(packs.map(({ jobIndex }) => jobIndex), jobs.slice(1).map((_, index) => index + 1));
});

const STATES: { why: string; reach: (scheduler: Scheduler) => void }[] = [
  {
    why: "queued",
    reach: (scheduler) => {
      admit(scheduler, 2, { prompt: 10 });
      admit(scheduler, 3, { prompt: 10 });
      admit(scheduler, 1, { prompt: 10 });
      commit(scheduler, scheduler.plan()!);
      assertEquals(scheduler.stats().waitingCount, 1);
      scheduler.abort(2);
      scheduler.abort(3);
    },
  },
  {
    why: "in prefill",
    reach: (scheduler) => {
      admit(scheduler, 1, { prompt: 300 });
      commit(scheduler, scheduler.plan()!);
    },
  },
  {
    why: "in decode, packed blocks held",
    reach: (scheduler) => {
      admit(scheduler, 1, { prompt: 300 });
      runTo(scheduler, ({ decodes }) => decodes.length > 0);
      assertEquals(scheduler.stats().sealedBlockCount, 2);
    },
  },
  {
    why: "measured and not packed",
    reach: (scheduler) => {
      admit(scheduler, 1, { prompt: 300 });
      runTo(scheduler, ({ measures }) => measures.length > 0);
    },
  },
];

for (const { why, reach } of STATES) {
  Deno.test(`Scheduler.abort() frees everything at once, without an event (${why})`, () => {
    const scheduler = makeScheduler();
    reach(scheduler);
    scheduler.drainEvents();
    scheduler.abort(1);
    scheduler.checkIntegrity();
    assertEquals(scheduler.plan(), null);
    assertEquals(scheduler.drainEvents(), []);
    const { runningCount, waitingCount, allocatedWordCount } = scheduler.stats();
    assertEquals([runningCount, waitingCount, allocatedWordCount], [0, 0, 0]);
  });
}

Deno.test("Scheduler.abort() holds slot and extents until the steps in flight are committed", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 300 });
  runTo(scheduler, ({ decodes }) => decodes.length > 0);
  const plans = [scheduler.plan()!, scheduler.plan()!];
  scheduler.abort(1);
  for (const plan of plans) {
    assertEquals(scheduler.stats().sealedBlockCount, 2);
    commit(scheduler, plan);
  }
  assertEquals(scheduler.stats().allocatedWordCount, 0);
});

Deno.test("Scheduler.abort() while a block is being measured drops the block", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 192 });
  for (let index = 0; index < 2; index++) commit(scheduler, scheduler.plan()!);
  const measuring = scheduler.plan()!;
  scheduler.abort(1);
  commit(scheduler, measuring);
  assertEquals(scheduler.plan(), null);
  scheduler.abort(1);
  scheduler.checkIntegrity();
});

Deno.test("Scheduler fails a sequence whose block holds values that are not finite", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 192 });
  for (let index = 0; index < 2; index++) commit(scheduler, scheduler.plan()!);
  commit(scheduler, scheduler.plan()!, { refused: [0] });
  const event = scheduler.drainEvents().at(-1)!;
  assert(event.type === "failed");
  assertEquals(event.code, "non_finite_values");
  assertEquals(scheduler.stats().runningCount, 0);
});

Deno.test("Scheduler.admit() refuses what exceeds the context, with both numbers", () => {
  const scheduler = makeScheduler({ contextLength: 100 });
  admit(scheduler, 1, { prompt: 90, max: 10 });
  const error = assertThrows(() => admit(scheduler, 2, { prompt: 91, max: 10 }), EngineError);
  assertEquals(error.code, "context_length_exceeded");
  assert(error.message.includes("101") && error.message.includes("100"), error.message);
});

Deno.test("Scheduler.admit() refuses what the arenas cannot hold even alone", () => {
  const scheduler = makeScheduler({
    arenas: [{ storeCount: 2, wordCount: 256 }, { storeCount: 1, wordCount: 6400 }],
  });
  admit(scheduler, 1, { prompt: 64 * 5 - 1, max: 1 });
  const error = assertThrows(
    () => admit(scheduler, 2, { prompt: 64 * 5 - 1, max: 2 }),
    EngineError,
  );
  assertEquals(error.code, "cache_exhausted");
  assert(error.message.includes("384") && error.message.includes("256"), error.message);
});

Deno.test("Scheduler.admit() refuses malformed requests", () => {
  const scheduler = makeScheduler();
  assertThrows(() => admit(scheduler, 5, { prompt: 0 }), RangeError, "empty");
  assertThrows(() => admit(scheduler, 5, { prompt: 1, max: -1 }), RangeError, "maxTokens");
});

Deno.test("Scheduler only prefills a sequence of maxTokens 0, sealing as it goes, and ends it", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, { prompt: 400, max: 0 });
  const plans = runOut(scheduler);
  assertEquals(plans.map(sliceShape).at(-1), [384, 16, 4, false]);
  assert(plans.every(({ decodes }) => decodes.length === 0));
  assertEquals(plans.flatMap(({ measures }) => measures).length, 4);
  const events = scheduler.drainEvents();
  assertEquals(events.map(({ type }) => type), [...plans.map(() => "prefill"), "finish"]);
  assertEquals(scheduler.stats().allocatedWordCount, 0);
});
