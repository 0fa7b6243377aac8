/** Who is next. */

import { assert, assertEquals, assertLess } from "@std/assert";
import {
  nextPrefill,
  PRIORITY_AGING_STEP_COUNT,
  runningOrder,
  waitingOrder,
} from "../../src/scheduler/run_order.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";

const candidate = (arrivalIndex: number, fields: Record<string, number> = {}) => ({
  arrivalIndex,
  priority: 0,
  arrivalStep: 0,
  slicedStep: 0,
  remainingPromptCount: 64,
  ...fields,
});
const order = (list: { arrivalIndex: number }[]) => list.map(({ arrivalIndex }) => arrivalIndex);

Deno.test("waitingOrder() is by priority, then first come, and age raises priority", () => {
  const waiting = [candidate(0), candidate(1, { priority: 1 }), candidate(2, { priority: 1 })];
  assertEquals(order(waitingOrder(waiting, 1)), [1, 2, 0]);
  const late = candidate(3, { priority: 1, arrivalStep: 2 * PRIORITY_AGING_STEP_COUNT });
  const step = late.arrivalStep;
  assertEquals(order(waitingOrder([candidate(0), late], step)), [0, 3]);
});

Deno.test("runningOrder() ends with the youngest of the lowest priority", () => {
  const running = [candidate(0), candidate(1, { priority: 1 }), candidate(2)];
  assertEquals(order(runningOrder(running)), [1, 0, 2]);
});

Deno.test("nextPrefill() takes the shortest, but one that waited long before it", () => {
  const long = candidate(0, { remainingPromptCount: 64 * 100 });
  const short = candidate(1, { slicedStep: 10 });
  assertEquals(nextPrefill([long, short], 10)?.arrivalIndex, 1);
  const fresh = candidate(2, { slicedStep: 400 });
  assertEquals(nextPrefill([long, fresh], 400)?.arrivalIndex, 0);
  assertEquals(nextPrefill([candidate(4), candidate(3)], 0)?.arrivalIndex, 3);
  assertEquals(nextPrefill([long, { ...short, priority: -1 }], 0)?.arrivalIndex, 0);
  assertEquals(nextPrefill([], 0), null);
});

/** Steps until the long prompt has its first token, while short ones arrive without end. */
function stepsUntilLongPrompt(): { longSteps: number; shortStepsMax: number } {
  const scheduler = new Scheduler({
    sequenceCountMax: 4,
    waitingCountMax: 100,
    contextLength: 10_000,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: 64 * 1000 }],
    recordWordsMin: 64,
    recordWordsMax: 64,
  });
  const arrivals = new Map<number, number>();
  const admit = (sequenceId: number, length: number, step: number) => {
    const promptIds = Array.from({ length }, (_, index) => index);
    scheduler.admit({ sequenceId, promptIds, maxTokens: 1, eosIds: [], ignoreEos: true });
    arrivals.set(sequenceId, step);
  };
  admit(0, 64 * 50, 0);
  let shortStepsMax = 0;
  for (let step = 0; step < 10_000; step++) {
    if (scheduler.stats().waitingCount === 0) admit(step + 1, 64 * 2, step);
    const plan = scheduler.plan()!;
    const rows = plan.slice ? [plan.slice] : [];
    const ids = new Map(rows.map(({ sequenceId }) => [sequenceId, 7]));
    const recordWords = plan.measures.map(() => [64]);
    scheduler.commit(plan, { ids, recordWords, refused: [] });
    for (const event of scheduler.drainEvents()) {
      if (event.type !== "token") continue;
      if (event.sequenceId === 0) return { longSteps: step, shortStepsMax };
      shortStepsMax = Math.max(shortStepsMax, step - arrivals.get(event.sequenceId)!);
    }
  }
  throw new Error("the long prompt is prefilled");
}

Deno.test("a prompt of 50 slices is read although short ones arrive all the time, and they pass it", () => {
  const { longSteps, shortStepsMax } = stepsUntilLongPrompt();
  assertLess(longSteps, 50 * 50 * 4);
  assert(longSteps > 100, `${longSteps} steps: short ones passed it`);
  assertLess(shortStepsMax, 60);
});
