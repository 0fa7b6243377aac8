/**
 * The order of every step: plan, encode, submit, read, commit.
 *
 * @module
 */

import { GREEDY } from "../core/sampling.ts";
import type { SliceOptions } from "../model/forward_graph.ts";
import type { KeepMethod } from "../scheduler/keep/method.ts";
import { KEEP_ALL } from "../scheduler/seal_policies/keep_all.ts";
import type { SealPolicy } from "../scheduler/seal_policies/policy.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import type { StepPlan, StepResult } from "../scheduler/step_plan.ts";
import type { CachePlan } from "./cache_plan.ts";
import type { EncodedStep, StepOutcome, StepRunner } from "./step_runner.ts";

/** A planned step whose commands are encoded. */
export interface PreparedStep {
  plan: StepPlan;
  encoded: EncodedStep;
}

/** Runs the steps that one scheduler plans on one runner. */
export class StepDriver {
  readonly scheduler: Scheduler;
  readonly runner: StepRunner;

  constructor(scheduler: Scheduler, runner: StepRunner) {
    this.scheduler = scheduler;
    this.runner = runner;
  }

  /** Plans and encodes the next step; null if there is none before one in flight is committed. */
  prepare(optionsOf: (plan: StepPlan) => SliceOptions): PreparedStep | null {
    const plan = this.scheduler.plan();
    return plan && { plan, encoded: this.runner.encode(plan, optionsOf(plan)) };
  }

  /** Runs a prepared step and commits it; `meanwhile` is called while the device runs it. */
  async finish(
    { plan, encoded }: PreparedStep,
    meanwhile: () => void = () => {},
  ): Promise<StepOutcome> {
    this.runner.submit(encoded);
    meanwhile();
    const outcome = await this.runner.read(plan, encoded);
    this.scheduler.commit(plan, outcome);
    return outcome;
  }

  /**
   * Plans, runs and commits a step by itself; null if there is nothing left to do.
   *
   * @param run What runs it, in one command buffer or several.
   */
  async step<T extends StepResult>(
    run: (plan: StepPlan) => Promise<T>,
  ): Promise<{ plan: StepPlan; outcome: T } | null> {
    const plan = this.scheduler.plan();
    if (plan === null) return null;
    const outcome = await run(plan);
    this.scheduler.commit(plan, outcome);
    return { plan, outcome };
  }
}

/** A driver of one greedy sequence alone in slot 0: for measurement and warming up. */
export function soleSequence(
  runner: StepRunner,
  plan: CachePlan,
  { policy = KEEP_ALL, ...request }: {
    sequenceId: number;
    promptIds: readonly number[];
    maxTokens: number;
    policy?: SealPolicy;
    /** What stays of its prompt; all if left out. */
    keep?: KeepMethod | null;
  },
): StepDriver {
  const scheduler = new Scheduler({
    ...plan,
    policy,
    sinkCount: plan.codec.sinkCount,
    sequenceCountMax: 1,
    waitingCountMax: 1,
    layerCount: plan.shape.storeOf.length,
    arenas: plan.shape.groups,
  });
  runner.setSampling(0, GREEDY);
  scheduler.admit({ ...request, eosIds: [], ignoreEos: true });
  return new StepDriver(scheduler, runner);
}
