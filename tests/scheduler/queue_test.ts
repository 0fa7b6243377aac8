import { assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { StepPlan } from "../../src/scheduler/step_plan.ts";

const SIZES = { recordWordsMin: 64, recordWordsMax: 64, contextLength: 4096 };

function makeScheduler(waitingCountMax: number): Scheduler {
  const arenas = [{ storeCount: 3, wordCount: 12_800 }];
  return new Scheduler({ sequenceCountMax: 2, waitingCountMax, layerCount: 3, arenas, ...SIZES });
}

function admit(scheduler: Scheduler, sequenceId: number): void {
  const request = { promptIds: [1, 2, 3], maxTokens: 2, eosIds: [0], ignoreEos: false };
  scheduler.admit({ sequenceId, ...request });
}

function refuses(scheduler: Scheduler, sequenceId: number): void {
  const error = assertThrows(() => admit(scheduler, sequenceId), EngineError);
  assertEquals(error.code, "queue_full");
}

function commit(scheduler: Scheduler, plan: StepPlan): void {
  const rows = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])];
  const ids = new Map(rows.map(({ sequenceId }) => [sequenceId, 7]));
  scheduler.commit(plan, { ids, recordWords: [], refused: [] });
  scheduler.checkIntegrity();
}

Deno.test("Scheduler.admit() refuses a request if the queue is full beside what the next step starts", () => {
  const scheduler = makeScheduler(3);
  for (const id of [1, 2, 3, 4, 5]) admit(scheduler, id);
  refuses(scheduler, 6);
  const plan = scheduler.plan()!;
  refuses(scheduler, 6);
  scheduler.abort(1);
  // Its slot is used by the step in flight, and free for the next one.
  admit(scheduler, 6);
  refuses(scheduler, 7);
  commit(scheduler, plan);
  refuses(scheduler, 7);
});

Deno.test("Scheduler.admit() accepts without a queue what the next step starts", () => {
  const scheduler = makeScheduler(0);
  for (let round = 0; round < 3; round++) {
    for (const id of [1, 2]) admit(scheduler, 10 * round + id);
    refuses(scheduler, 99);
    const plan = scheduler.plan()!;
    refuses(scheduler, 99);
    commit(scheduler, plan);
    for (let next = scheduler.plan(); next !== null; next = scheduler.plan()) {
      commit(scheduler, next);
    }
  }
});
