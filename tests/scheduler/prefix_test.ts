/** Names of blocks, places to begin, and sharing by script. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { blockNames, rootName } from "../../src/scheduler/block_name.ts";
import { bestBoundary, keptBoundaries, rawTilesBefore } from "../../src/scheduler/prefix.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { StepPlan } from "../../src/scheduler/step_plan.ts";

const ids = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i);

Deno.test("blockNames() names a block by all tokens up to its end", () => {
  const root = rootName(["model"]);
  const names = blockNames(root, ids(200), 3);
  assertEquals(new Set(names).size, 3);
  assertEquals(blockNames(root, ids(128), 2), names.slice(0, 2));
  const changed = blockNames(root, [99, ...ids(200).slice(1)], 3);
  assert(changed.every((name, index) => name !== names[index]));
  const later = blockNames(root, ids(200).with(127, 9999), 3);
  assertEquals(later.map((name, index) => name === names[index]), [true, false, false]);
  assertNotEquals(blockNames(rootName(["other"]), ids(64), 1)[0], names[0]);
  assertNotEquals(rootName(["a", "bc"]), rootName(["ab", "c"]));
});

Deno.test("keptBoundaries() lets whoever shares all but n tokens repeat less than n + 128", () => {
  for (let promptTokenCount = 1; promptTokenCount < 3000; promptTokenCount += 37) {
    const kept = keptBoundaries(promptTokenCount);
    const tiles = new Set(kept.flatMap((boundary) => rawTilesBefore(boundary, 2)));
    for (let sharedCount = 64; sharedCount < promptTokenCount; sharedCount += 13) {
      const boundary = bestBoundary(sharedCount + 1, {
        sealedCount: Math.floor(sharedCount / 64),
        windowBlockCount: 2,
        hasRaw: (tile) => tiles.has(tile),
      });
      const repeatedCount = sharedCount - boundary * 64;
      const restCount = promptTokenCount - sharedCount;
      assert(repeatedCount < restCount + 128, `${promptTokenCount} ${sharedCount} ${boundary}`);
    }
    assert(tiles.size <= 3 * (2 + Math.log2(promptTokenCount / 64 + 1)));
  }
});

Deno.test("bestBoundary() wants sealed blocks, both raw tiles, and a token left", () => {
  const all = { sealedCount: 9, windowBlockCount: 2, hasRaw: () => true };
  assertEquals(bestBoundary(641, all), 10);
  assertEquals(bestBoundary(640, all), 9, "the last token must be prefilled");
  assertEquals(bestBoundary(64, all), 0);
  assertEquals(bestBoundary(65, { ...all, sealedCount: 0 }), 1);
  assertEquals(bestBoundary(641, { ...all, sealedCount: 3 }), 5);
  assertEquals(bestBoundary(641, { ...all, hasRaw: (tile) => tile !== 8 }), 8);
  assertEquals(bestBoundary(641, { ...all, hasRaw: () => undefined }), 0);
  const [hasRaw, rawTileCount] = [(tile: number) => tile !== 5, 4];
  assertEquals(bestBoundary(641, { ...all, hasRaw, rawTileCount }), 10, "tiles 6 to 9");
  assertEquals(bestBoundary(640, { ...all, hasRaw, rawTileCount }), 5, "9 would need tile 5");
});

Deno.test("bestBoundary() follows the window: without one it wants no raw tile", () => {
  const none = { sealedCount: 9, windowBlockCount: 0, hasRaw: () => false };
  assertEquals(bestBoundary(641, none), 9, "behind the last sealed block");
  assertEquals(bestBoundary(576, none), 8, "the last token must be prefilled");
  const long = { sealedCount: 3, windowBlockCount: 16, hasRaw: (tile: number) => tile !== 2 };
  assertEquals(bestBoundary(1281, long), 19, "tiles 3 to 18");
  assertEquals(bestBoundary(1216, long), 2, "18 would need tile 2");
});

function makeScheduler(blockCount = 100): Scheduler {
  return new Scheduler({
    sequenceCountMax: 3,
    waitingCountMax: 9,
    contextLength: 4096,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: blockCount * 64 }],
    recordWordsMin: 64,
    recordWordsMax: 64,
    prefix: { root: "r", tileWords: [128] },
  });
}

function admit(scheduler: Scheduler, sequenceId: number, promptIds: number[], maxTokens = 1) {
  scheduler.admit({ sequenceId, promptIds, maxTokens, eosIds: [], ignoreEos: true });
}

/** Runs until nothing is left, or `isDone`; the plans. */
function run(scheduler: Scheduler, isDone: (plan: StepPlan) => boolean = () => false): StepPlan[] {
  const plans: StepPlan[] = [];
  for (let plan = scheduler.plan(); plan !== null; plan = scheduler.plan()) {
    plans.push(plan);
    const rows = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])];
    const sampled = new Map(rows.map(({ sequenceId }) => [sequenceId, 7]));
    const recordWords = plan.measures.map(() => [64]);
    scheduler.commit(plan, { ids: sampled, recordWords, refused: [] });
    scheduler.checkIntegrity();
    if (isDone(plan)) break;
  }
  return plans;
}

Deno.test("Scheduler begins a prompt behind what an equal one left, with links and raw tiles", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, ids(500));
  const first = run(scheduler);
  assertEquals(first[0].starts, [{ sequenceId: 1, slot: 0, cachedTokenCount: 0, storedIds: [] }]);
  assertEquals(
    first.flatMap(({ keeps }) => keeps.map(({ blockIndex }) => blockIndex)),
    [1, 2, 3, 4, 5, 6],
    "boundaries 7, 6, 5 and 3",
  );
  admit(scheduler, 2, ids(500));
  const [plan, ...rest] = run(scheduler);
  assertEquals(plan.starts, [{ sequenceId: 2, slot: 0, cachedTokenCount: 448, storedIds: [] }]);
  assertEquals(plan.links.map(({ blockIndex }) => blockIndex), [0, 1, 2, 3, 4]);
  assertEquals(plan.restores.map(({ blockIndex }) => blockIndex), [5, 6]);
  assertEquals([plan.slice?.position, plan.slice?.ids.length], [448, 52]);
  assertEquals([plan.slice?.listCount, rest.length], [5, 0]);
  const finish = scheduler.drainEvents().at(-1)!;
  assert(finish.type === "finish" && finish.cachedTokenCount === 448);
});

Deno.test("Scheduler keeps the place where a second prompt parted for a third", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, ids(1000));
  run(scheduler);
  const parted = (last: number) => [...ids(300), ...ids(400, last)];
  admit(scheduler, 2, parted(5000));
  const second = run(scheduler);
  assertEquals(second[0].starts[0].cachedTokenCount, 0, "the first keeps 7 of 15 and later ones");
  admit(scheduler, 3, parted(7000));
  assertEquals(run(scheduler)[0].starts[0].cachedTokenCount, 256);
});

Deno.test("Scheduler lets a prompt wait for one that is prefilling its beginning, others pass", () => {
  const scheduler = makeScheduler();
  admit(scheduler, 1, ids(500), 20);
  admit(scheduler, 2, [...ids(480), 9], 20);
  admit(scheduler, 3, ids(100, 3000), 20);
  const plans = run(scheduler);
  const starts = plans.flatMap(({ starts, stepIndex }) =>
    starts.map(({ sequenceId, cachedTokenCount }) => [sequenceId, cachedTokenCount, stepIndex])
  );
  assertEquals(starts.map(([id, cached]) => [id, cached]), [[1, 0], [3, 0], [2, 448]]);
});

Deno.test("Scheduler uses the memory of ended sequences in the very next step", () => {
  const scheduler = makeScheduler(12);
  admit(scheduler, 1, ids(64 * 12), 64);
  run(scheduler, ({ slice }) => slice?.isLast === true);
  assertEquals(scheduler.stats().sealedBlockCount >= 9, true);
  scheduler.abort(1);
  admit(scheduler, 2, ids(64 * 12, 5000), 64);
  const [plan] = run(scheduler, () => true);
  assertEquals(plan.starts.map(({ sequenceId }) => sequenceId), [2]);
  run(scheduler);
  assertEquals(scheduler.drainEvents().at(-1)?.type, "finish");
});
