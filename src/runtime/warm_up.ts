/**
 * Running every kernel once while loading.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import type { StepPlan, StepResult } from "../scheduler/step_plan.ts";
import type { CachePlan } from "./cache_plan.ts";
import type { StepRunner } from "./step_runner.ts";

/** A slice of one token, then one decode step. */
const WARM_UP_TOKEN_COUNT = 3;

/** Steps one prompt token and one more, since drivers compile a kernel when it first runs. */
export async function warmUp(runner: StepRunner, plan: CachePlan): Promise<void> {
  const scheduler = new Scheduler({
    ...plan,
    sequenceCountMax: 1,
    waitingCountMax: 1,
    contextLength: WARM_UP_TOKEN_COUNT,
    arenas: plan.shape.groups,
  });
  runner.setSampling(0, { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 });
  const maxTokens = WARM_UP_TOKEN_COUNT - 1;
  scheduler.admit({ sequenceId: 0, promptIds: [0], maxTokens, eosIds: [], ignoreEos: true });
  for (let step = scheduler.plan(); step !== null; step = scheduler.plan()) {
    const recorded = runner.record(step);
    runner.submit(recorded);
    scheduler.commit(step, await runner.read(step, recorded));
  }
  await warmUpSealing(runner);
}

/** Seals a block of zeros and attends to it, which a short prompt does not. */
export async function warmUpSealing(runner: StepRunner): Promise<void> {
  const [slot, blockIndex, sequenceId] = [0, 0, 0];
  const measured = await runStep(runner, { measures: [{ sequenceId, slot, blockIndex }] });
  const firstWords = runner.cache.shape.groups.map(() => 0);
  const recordOffsets = measured.recordWords[0].map((wordCount, layer) => {
    const group = runner.cache.groupOf(layer);
    const offset = firstWords[group];
    firstWords[group] += wordCount;
    return offset;
  });
  const position = 3 * BLOCK_TOKEN_COUNT;
  const layers = { first: 0, end: runner.cache.shape.layerCount };
  await runStep(runner, {
    packs: [{ slot, blockIndex, jobIndex: 0, extents: [], recordOffsets }],
    decodes: [{ sequenceId, slot, position, knownId: 0, blockCount: 1 }],
    slice: {
      sequenceId,
      slot,
      position,
      ids: [0],
      blockCount: 1,
      layers,
      isComplete: true,
      isLast: false,
    },
  });
}

async function runStep(runner: StepRunner, parts: Partial<StepPlan>): Promise<StepResult> {
  const plan: StepPlan = {
    stepIndex: 0,
    starts: [],
    loads: [],
    swaps: [],
    packs: [],
    links: [],
    restores: [],
    decodes: [],
    slice: null,
    keeps: [],
    measures: [],
    saves: [],
    drops: [],
    ...parts,
  };
  const recorded = runner.record(plan);
  runner.submit(recorded);
  return await runner.read(plan, recorded);
}
