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

/** A step that was read. */
export interface FinishedStep {
  plan: StepPlan;
  outcome: StepOutcome;
}

/** A step that is submitted, and what reads it, once that has begun. */
interface UnreadStep extends PreparedStep {
  outcome: Promise<StepOutcome> | null;
}

/** Runs the steps that one scheduler plans on one runner. */
export class StepDriver {
  readonly scheduler: Scheduler;
  readonly runner: StepRunner;
  /** The oldest first. */
  readonly #unread: UnreadStep[] = [];

  constructor(scheduler: Scheduler, runner: StepRunner) {
    this.scheduler = scheduler;
    this.runner = runner;
  }

  /** Steps that are submitted and not read. */
  get unreadCount(): number {
    return this.#unread.length;
  }

  /** Plans and encodes the next step; null if there is none before one in flight is committed. */
  prepare(optionsOf: (plan: StepPlan) => SliceOptions): PreparedStep | null {
    const plan = this.scheduler.plan();
    return plan && { plan, encoded: this.runner.encode(plan, optionsOf(plan)) };
  }

  /**
   * Whether a step may be submitted now. Behind a step that is not read only if both only decode.
   *
   * @param unreadCountMax Steps that may be unread then.
   */
  maySubmit(plan: StepPlan, unreadCountMax: number): boolean {
    const newest = this.#unread.at(-1);
    if (newest === undefined) return true;
    return this.unreadCount < unreadCountMax && onlyDecodes(newest.plan) && onlyDecodes(plan);
  }

  /** Submits a prepared step, in the order of preparing. */
  submit(prepared: PreparedStep): void {
    this.#beginReads();
    this.runner.submit(prepared.encoded);
    this.#unread.push({ ...prepared, outcome: null });
  }

  /** Waits for the oldest step; that and what was read with it, in order. */
  async read(): Promise<FinishedStep[]> {
    this.#beginReads();
    const count = this.runner.readsAll ? this.#unread.length : 1;
    const finished: FinishedStep[] = [];
    for (const { plan, encoded, outcome } of this.#unread.splice(0, count)) {
      finished.push({ plan, outcome: await (outcome ?? this.runner.read(plan, encoded)) });
    }
    return finished;
  }

  /** Applies what a step made, in the order of planning. */
  commit({ plan, outcome }: FinishedStep): void {
    this.scheduler.commit(plan, outcome);
  }

  /** Begins to read all that is submitted, where that waits for nothing else. */
  #beginReads(): void {
    if (this.runner.readsAll) return;
    for (const step of this.#unread) {
      if (step.outcome !== null) continue;
      step.outcome = this.runner.read(step.plan, step.encoded);
      step.outcome.catch(() => {}); // it is awaited later
    }
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

/** Whether a step does nothing that waits for others or lets others wait: rows without guesses. */
function onlyDecodes({ slice, decodes, ...plan }: StepPlan): boolean {
  const others = [plan.starts, plan.loads, plan.swaps, plan.restores, plan.keeps, plan.saves];
  return slice === null && others.every(({ length }) => length === 0) &&
    decodes.every(({ draftIds }) => draftIds.length === 0);
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
    packing: plan.codec,
    sequenceCountMax: 1,
    waitingCountMax: 1,
    layerCount: plan.shape.storeOf.length,
    arenas: plan.shape.groups,
  });
  runner.setSampling(0, GREEDY);
  scheduler.admit({ ...request, eosIds: [], ignoreEos: true });
  return new StepDriver(scheduler, runner);
}
