/** Preempted sequences that leave what they have on the host. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { StepPlan } from "../../src/scheduler/step_plan.ts";

const PROMPT_TOKEN_COUNT = 64 * 3;
const MAX_TOKENS = 64 * 5;
const ARENA_WORDS = 2048;

function makeScheduler(capacityBytes: number): Scheduler {
  return new Scheduler({
    sequenceCountMax: 2,
    waitingCountMax: 4,
    contextLength: 4096,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: ARENA_WORDS }],
    recordWordsMin: 64,
    recordWordsMax: 256,
    prefix: { root: "r", tileWords: [512] },
    host: { capacityBytes, saveWordCountMax: 4096 },
  });
}

function admit(
  scheduler: Scheduler,
  sequenceId: number,
  { maxTokens = MAX_TOKENS, priority = 0 } = {},
): void {
  const promptIds = Array.from({ length: PROMPT_TOKEN_COUNT }, (_, index) => index + sequenceId);
  const limits = { maxTokens, eosIds: [0], ignoreEos: true, priority };
  scheduler.admit({ sequenceId, promptIds, ...limits });
}

/** Plans a step and commits it; every token is 1000 and its position. */
function step(scheduler: Scheduler, words: number, isAborting = () => {}): StepPlan | null {
  const plan = scheduler.plan();
  if (plan === null) return null;
  isAborting();
  const { decodes, slice } = plan;
  const ids = new Map(decodes.map(({ sequenceId, position }) => [sequenceId, 1000 + position]));
  if (slice) ids.set(slice.sequenceId, 1000 + slice.position + slice.ids.length - 1);
  scheduler.checkIntegrity();
  const recordWords = plan.measures.map(() => [words]);
  scheduler.commit(plan, { ids, recordWords, refused: [] });
  scheduler.checkIntegrity();
  return plan;
}

/** Steps until one fulfils the condition, which it must. */
function stepUntil(
  scheduler: Scheduler,
  words: number,
  isReached: (plan: StepPlan) => boolean,
): StepPlan {
  for (let plan = step(scheduler, words); plan; plan = step(scheduler, words)) {
    if (isReached(plan)) return plan;
  }
  throw new Error("no step is as wanted");
}

/** Small blocks first, so that both are admitted; then large ones, until one must give way. */
function untilSwapped(scheduler: Scheduler): StepPlan {
  admit(scheduler, 1);
  for (let index = 0; index < 10; index++) step(scheduler, 64);
  admit(scheduler, 2);
  return stepUntil(scheduler, 256, ({ swaps }) => swaps.length > 0);
}

function textOf(scheduler: Scheduler, sequenceId: number): number[] {
  return scheduler.drainEvents().flatMap((event) =>
    event.sequenceId === sequenceId && event.type === "token" ? [event.id] : []
  );
}

const WHOLE_TEXT = Array.from(
  { length: MAX_TOKENS },
  (_, index) => 1000 + PROMPT_TOKEN_COUNT - 1 + index,
);

Deno.test("Scheduler copies a preempted sequence to the host, and it goes on behind its last block", () => {
  const scheduler = makeScheduler(2 ** 20);
  const { swaps, starts } = untilSwapped(scheduler);
  assertEquals(starts, [], "a step that swaps starts nobody");
  const raw = swaps.flatMap(({ source }) => "slot" in source ? [source.blockIndex] : []);
  assertEquals(raw.length, 2);
  assertEquals(raw[1], raw[0] + 1);
  const boundary = raw[1] + 1;
  assertGreater(boundary * 64, PROMPT_TOKEN_COUNT);

  const again = stepUntil(scheduler, 256, (plan) => plan.starts.length > 0);
  const [{ sequenceId, cachedTokenCount, storedIds }] = again.starts;
  assertEquals([sequenceId, cachedTokenCount], [2, PROMPT_TOKEN_COUNT]);
  assertEquals(storedIds, WHOLE_TEXT.slice(0, boundary * 64 - PROMPT_TOKEN_COUNT));
  assertEquals(again.links.filter(({ slot }) => slot === again.starts[0].slot).length, raw[0]);
  const row = again.decodes.find((decode) => decode.sequenceId === 2)!;
  assertEquals([row.position, row.listCount], [boundary * 64, raw[0]]);
  assertEquals(row.knownId, 1000 + row.position - 1);

  const left = new Set(again.loads.map(({ key }) => key).filter((key) => key.startsWith("swap/")));
  assertEquals([...left].filter((key) => !again.drops.includes(key)), [], "read once, then gone");
  while (step(scheduler, 256));
  assertEquals(textOf(scheduler, 2), WHOLE_TEXT);
});

Deno.test("Scheduler decodes again what the host is too small for", () => {
  const scheduler = makeScheduler(4000);
  admit(scheduler, 1);
  for (let index = 0; index < 10; index++) step(scheduler, 64);
  admit(scheduler, 2);
  const plans: StepPlan[] = [];
  for (let plan = step(scheduler, 256); plan; plan = step(scheduler, 256)) plans.push(plan);
  assertEquals(plans.flatMap(({ swaps }) => swaps), []);
  assertEquals(plans.flatMap(({ starts }) => starts.map(({ sequenceId }) => sequenceId)), [2, 2]);
  assertEquals(textOf(scheduler, 2), WHOLE_TEXT);
});

Deno.test("Scheduler drops what a sequence left if it is aborted, also while it is copied", () => {
  for (const isInFlight of [false, true]) {
    const scheduler = makeScheduler(2 ** 20);
    admit(scheduler, 1);
    for (let index = 0; index < 10; index++) step(scheduler, 64);
    admit(scheduler, 2);
    let hasSwapped = false;
    let plan: StepPlan | null;
    do {
      plan = step(scheduler, 256, () => {
        const hasLost = scheduler.stats().runningCount === 1;
        if (isInFlight && hasLost) scheduler.abort(2);
      });
      hasSwapped ||= (plan?.swaps.length ?? 0) > 0;
      if (hasSwapped) scheduler.abort(2);
    } while (plan !== null);
    assert(hasSwapped);
    const { hostBytes, waitingCount, allocatedWordCount } = scheduler.stats();
    assertEquals([waitingCount, allocatedWordCount], [0, 0]);
    // The blocks of the two prompts and their tiles: nothing of an answer.
    assert(hostBytes <= 2 * 3 * (256 + 512) * 4, `${hostBytes} bytes`);
  }
});

Deno.test("Scheduler moves a lone sequence out of gaps that fit none of its blocks, by the host", () => {
  const scheduler = makeScheduler(2 ** 20);
  // Many small blocks make the mean so low that room for both is expected.
  for (let sequenceId = 100; sequenceId < 140; sequenceId++) {
    admit(scheduler, sequenceId);
    while (step(scheduler, 64));
  }
  admit(scheduler, 1, { maxTokens: 64 * 12 });
  admit(scheduler, 2, { maxTokens: 64 * 12 });
  stepUntil(scheduler, 192, (plan) => plan.swaps.length > 0);
  // It may begin as soon as nobody runs, but not over what is still to be copied.
  admit(scheduler, 100, { priority: 9 });
  const { swaps, starts, loads, packs } = stepUntil(
    scheduler,
    192,
    (plan) => plan.swaps.length > 0 && scheduler.stats().runningCount === 0,
  );
  assertEquals([starts, loads, packs], [[], [], []]);
  const next = stepUntil(scheduler, 192, (plan) => plan.starts.length > 0);
  assertEquals(next.starts.map(({ sequenceId }) => sequenceId), [100, 1]);
  const keys = new Set(next.loads.map(({ key }) => key));
  assertEquals(swaps.filter(({ key }) => !keys.has(key)), []);
  assertGreater(next.starts[1].storedIds.length, 64);
});
