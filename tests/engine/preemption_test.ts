/** Sequences that give their blocks to others and go on later, on the GPU. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { EngineStats, GenerateRequest, ProfileOptions } from "../../src/engine/types.ts";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** With steps that are not its own, which the first start would make finer for the model. */
const FINE: ProfileOptions = { name: "near-lossless", keyStep: 1.14 };

/** Memory in which one of three sequences must give way; blocks of `exact` are never misjudged. */
const CASES: { profile: ProfileOptions; cacheSizeBytes: number; read?: string }[] = [
  { profile: { name: "paper" }, cacheSizeBytes: 72 * 1024 },
  { profile: FINE, cacheSizeBytes: 54 * 1024 },
  { profile: FINE, cacheSizeBytes: 54 * 1024, read: "quest:blocks=2,dense=0" },
  { profile: { name: "balanced" }, cacheSizeBytes: 27 * 1024 },
];

/** Greedy, with penalties, and seeded. */
const REQUESTS: GenerateRequest[] = [
  {},
  { adjustments: { repetitionPenalty: 1.1, frequencyPenalty: 0.8 } },
  {
    sampling: { temperature: 1.2, topK: 40, seed: 3 },
    adjustments: { presencePenalty: 0.5, repetitionPenalty: 1.2 },
  },
].map((options, index) => ({
  promptIds: tinyPrompt(200, index + 1),
  maxTokens: 210,
  ignoreEos: true,
  ...options,
}));

/** What the steps from `before` to `after` did. */
function changes(before: EngineStats, after: EngineStats) {
  return {
    prefilledCount: after.promptTokenCount - before.promptTokenCount,
    loadedCount: after.loadedBlockCount - before.loadedBlockCount,
    stepCount: after.stepCount - before.stepCount,
  };
}

for (const { profile, cacheSizeBytes, read } of CASES) {
  const reads = read === undefined ? {} : { read };
  Deno.test(`sequences that lose their blocks to others end with the same tokens (${profile.name}${read ? `, ${read}` : ""})`, async () => {
    const stepCounts: number[] = [];
    for (const hostSizeBytes of [0, 2 ** 24]) {
      const options = { profile, cacheSizeBytes, hostSizeBytes, sequenceCountMax: 3, ...reads };
      await withTinyEngine(options, async (engine) => {
        // Blocks of one repeated token are small: after many of them all three are admitted.
        for (let id = 9; id < 17; id++) {
          await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 10 });
        }
        const before = await idleStats(engine);
        const texts = await Promise.all(REQUESTS.map((request) => collectIds(engine, request)));
        const after = await idleStats(engine);
        const { prefilledCount, loadedCount, stepCount } = changes(before, after);
        assertGreater(after.preemptionCount, 0);
        stepCounts.push(stepCount);
        if (hostSizeBytes > 0) {
          assertGreater(loadedCount, 0);
          assertEquals(prefilledCount, 600, "no prompt is read again");
        }
        for (const [index, request] of REQUESTS.entries()) {
          const alone = await collectIds(engine, { ...request, skipsCache: true });
          assertEquals(texts[index], alone, `request ${index}`);
        }
      });
    }
    const [without, withHost] = stepCounts;
    assertGreater(without, 265, "somebody decoded again");
    assert(withHost < without, `${withHost} steps with the host tier, ${without} without`);
  });
}
