/**
 * Running every kernel once while loading.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { EMPTY_STEP } from "../scheduler/step_plan.ts";
import type { CachePlan } from "./cache_plan.ts";
import { soleSequence } from "./step_driver.ts";
import type { StepRunner } from "./step_runner.ts";

/** A slice of one token, then one decode step. */
const WARM_UP_TOKEN_COUNT = 3;

/** Steps one prompt token and one more, since drivers compile a kernel when it first runs. */
export async function warmUp(runner: StepRunner, plan: CachePlan): Promise<void> {
  const request = { sequenceId: 0, promptIds: [0], maxTokens: WARM_UP_TOKEN_COUNT - 1 };
  const driver = soleSequence(runner, { ...plan, contextLength: WARM_UP_TOKEN_COUNT }, request);
  while (await driver.step((step) => runner.run(step))) { /* until it has ended */ }
  await warmUpSealing(runner);
  runner.beginCounts();
}

/** Seals a block of zeros and attends to it, which a short prompt does not. */
async function warmUpSealing(runner: StepRunner): Promise<void> {
  const [slot, blockIndex, sequenceId] = [0, 0, 0];
  const measures = [{ sequenceId, slot, blockIndex }];
  const measured = await runner.run({ ...EMPTY_STEP, measures });
  const firstWords = runner.cache.shape.groups.map(() => 0);
  const { stores, storeOf } = runner.cache.shape;
  const recordOffsets = measured.recordWords[0].map((wordCount, store) => {
    const { group } = stores[store];
    const offset = firstWords[group];
    firstWords[group] += wordCount;
    return offset;
  });
  // One block is sealed, and the window is whole.
  const position = (1 + runner.cache.shape.windowBlockCount) * BLOCK_TOKEN_COUNT;
  const reads = { listCount: 1, firstWindowBlock: 1 };
  const layers = { first: 0, end: storeOf.length };
  await runner.run({
    ...EMPTY_STEP,
    packs: [{ slot, blockIndex, listIndex: 0, jobIndex: 0, recordOffsets }],
    decodes: [{ sequenceId, slot, position, knownId: 0, draftIds: [], ...reads }],
    slice: {
      sequenceId,
      slot,
      position,
      ids: [0],
      ...reads,
      layers,
      isComplete: true,
      isLast: false,
    },
  });
}
