/** The arena after thousands of sequence lives of any length. */

import { assertEquals, assertGreater, assertLess } from "@std/assert";
import type { EngineError } from "../../src/core/errors.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import { seededRandom } from "../support/numeric.ts";

const LIFE_COUNT = 10_000;
const LAYER_COUNT = 4;
/** Words of a record of SmolLM2's heads: from what packs well to what does not. */
const RECORD_WORDS = { min: 1500, max: 3400 };

Deno.test("over 10,000 random sequence lives extents take at most 1.1 times the packed words, and no free word is out of reach for long", () => {
  const random = seededRandom(11);
  const wordCount = 400 * LAYER_COUNT * RECORD_WORDS.max / 2;
  const scheduler = new Scheduler({
    sequenceCountMax: 8,
    waitingCountMax: 16,
    contextLength: 8192,
    layerCount: LAYER_COUNT,
    arenas: [{ storeCount: LAYER_COUNT / 2, wordCount }, {
      storeCount: LAYER_COUNT / 2,
      wordCount,
    }],
    recordWordsMin: RECORD_WORDS.min,
    recordWordsMax: RECORD_WORDS.max,
    prefix: { root: "churn", tileWords: new Array<number>(LAYER_COUNT).fill(6144) },
  });
  const stem = Array.from({ length: 3000 }, (_, index) => index);
  const alive = new Set<number>();
  let [nextId, worstRatio, usageMax, endedCount] = [0, 1, 0, 0];
  while (endedCount < LIFE_COUNT) {
    while (alive.size < 12 && nextId < LIFE_COUNT + 100) {
      const length = Math.ceil(random() ** 4 * 3000);
      const promptIds = random() < 0.5
        ? stem.slice(0, length)
        : Array.from({ length }, () => Math.floor(random() * 1e6));
      const maxTokens = 1 + Math.floor(random() * 8);
      try {
        const request = { sequenceId: nextId, promptIds, maxTokens, eosIds: [], ignoreEos: true };
        scheduler.admit(request);
        alive.add(nextId);
      } catch (error) {
        assertEquals((error as EngineError).code, "queue_full");
        break;
      } finally {
        nextId++;
      }
    }
    if (random() < 0.02) {
      const [first] = alive;
      scheduler.abort(first);
      alive.delete(first);
      endedCount++;
    }
    const plan = scheduler.plan()!;
    const words = () =>
      RECORD_WORDS.min + 4 * Math.floor(random() * (RECORD_WORDS.max - RECORD_WORDS.min) / 4);
    const rows = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])];
    scheduler.commit(plan, {
      ids: new Map(rows.map(({ sequenceId }) => [sequenceId, 7])),
      recordWords: plan.measures.map(() => Array.from({ length: LAYER_COUNT }, words)),
      refused: [],
    });
    for (const event of scheduler.drainEvents()) {
      if (event.type !== "finish" && event.type !== "failed") continue;
      assertEquals(event.type, "finish");
      alive.delete(event.sequenceId);
      endedCount++;
    }
    const stats = scheduler.stats();
    const { allocatedWordCount, packedWordCount, retainedWordCount, capacityWordCount } = stats;
    if (packedWordCount > 0) {
      worstRatio = Math.max(worstRatio, allocatedWordCount / packedWordCount);
    }
    usageMax = Math.max(usageMax, (allocatedWordCount + retainedWordCount) / capacityWordCount);
  }
  scheduler.checkIntegrity();
  assertLess(worstRatio, 1.1);
  assertGreater(usageMax, 0.97);
});
