/** What happens when packed blocks turn out larger than the arenas have room for. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { StepPlan } from "../../src/scheduler/step_plan.ts";

/** Room for 8 blocks of the largest size; admission expects less from the first small ones. */
function makeScheduler(): Scheduler {
  return new Scheduler({
    sequenceCountMax: 2,
    waitingCountMax: 4,
    contextLength: 4096,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: 8 * 256 }],
    recordWordsMin: 64,
    recordWordsMax: 256,
  });
}

function step(scheduler: Scheduler, wordsOf: (sequenceId: number) => number): StepPlan | null {
  const plan = scheduler.plan();
  if (plan === null) return null;
  const { decodes, slice } = plan;
  const ids = new Map(decodes.map(({ sequenceId, position }) => [sequenceId, 1000 + position]));
  if (slice) ids.set(slice.sequenceId, 1000 + slice.position + slice.ids.length - 1);
  scheduler.commit(plan, {
    ids,
    recordWords: plan.measures.map(({ sequenceId }) => [wordsOf(sequenceId)]),
    refused: [],
  });
  scheduler.checkIntegrity();
  return plan;
}

function admit(scheduler: Scheduler, sequenceId: number, maxTokens: number): void {
  const promptIds = Array.from({ length: 64 * 3 }, (_, index) => index + 1);
  scheduler.admit({ sequenceId, promptIds, maxTokens, eosIds: [0], ignoreEos: false });
}

Deno.test("Scheduler admits by the worst case before anything was measured", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, 5 * 64);
  admit(scheduler, 2, 5 * 64);
  scheduler.plan();
  assertEquals(scheduler.stats().runningCount, 1);
  assertEquals(scheduler.stats().waitingCount, 1);
});

Deno.test("Scheduler preempts the youngest, which later continues where it was", () => {
  const scheduler = makeScheduler();
  const maxTokens = 5 * 64;
  admit(scheduler, 1, maxTokens);
  for (let index = 0; index < 10; index++) step(scheduler, () => 64);
  admit(scheduler, 2, maxTokens);
  // Everything measured so far was small, so both run; from here on every block is large.
  const plans: StepPlan[] = [];
  for (let plan = step(scheduler, () => 256); plan; plan = step(scheduler, () => 256)) {
    plans.push(plan);
  }
  const starts = plans.filter(({ slice }) => slice?.position === 0);
  assertEquals(starts.map(({ slice }) => slice!.sequenceId), [2, 2]);
  const again = plans.slice(plans.indexOf(starts[1]));
  const prompt = again.flatMap(({ slice }) => slice?.sequenceId === 2 ? slice.ids : []);
  assertEquals(prompt.length, 192, "the prompt is prefilled again");
  const rows = again.flatMap(({ decodes }) => decodes.filter(({ sequenceId }) => sequenceId === 2));
  const known = rows.flatMap(({ knownId }) => knownId === null ? [] : [knownId]);
  assertGreater(known.length, 0);
  assertEquals(known, known.map((_, index) => 1000 + 191 + index));
  assertEquals(rows.slice(known.length).some(({ knownId }) => knownId !== null), false);

  const events = scheduler.drainEvents().filter(({ sequenceId }) => sequenceId === 2);
  const tokens = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  assertEquals(tokens, Array.from({ length: maxTokens }, (_, index) => 1000 + 191 + index));
  const progress = events.flatMap((event) =>
    event.type === "prefill" ? [event.processedTokenCount] : []
  );
  assertEquals(progress, [64, 128, 192]);
  const last = events.at(-1)!;
  assert(last.type === "finish");
  assertEquals([last.promptTokenCount, last.completionTokenCount], [192, maxTokens]);
});

Deno.test("Scheduler admits nobody after a preemption until memory is given back", () => {
  const scheduler = makeScheduler();
  // Many small blocks make the mean so low that room is expected all the time.
  for (let sequenceId = 100; sequenceId < 120; sequenceId++) {
    admit(scheduler, sequenceId, 5 * 64);
    while (step(scheduler, () => 64));
  }
  admit(scheduler, 1, 5 * 64);
  step(scheduler, () => 256);
  admit(scheduler, 2, 5 * 64);
  let waitingStepCount = 0;
  let startCount = 0;
  for (let plan = step(scheduler, () => 256); plan; plan = step(scheduler, () => 256)) {
    if (plan.slice?.position === 0) startCount++;
    waitingStepCount += scheduler.stats().waitingCount;
  }
  assertGreater(waitingStepCount, 20);
  assertEquals(startCount, 2, "the younger one starts, is preempted, and starts once more");
});

Deno.test("Scheduler fails a sequence that runs out of memory alone, with numbers", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, 20 * 64);
  while (step(scheduler, () => 256));
  const event = scheduler.drainEvents().at(-1)!;
  assert(event.type === "failed");
  assertEquals(event.code, "cache_exhausted");
  assert(event.message.includes("2048") && event.message.includes("512"), event.message);
  assertEquals(scheduler.stats().allocatedWordCount, 0);
});
