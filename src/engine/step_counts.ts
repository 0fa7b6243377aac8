import { isRereadId } from "../scheduler/rereads.ts";
import type { FinishedStep } from "../runtime/step_driver.ts";
import type { EngineStats } from "./types.ts";

type Totals = Pick<
  EngineStats,
  | "stepCount"
  | "promptTokenCount"
  | "rereadTokenCount"
  | "generatedTokenCount"
  | "sealingSeconds"
  | "sealedBlockCount"
  | "savedBlockCount"
  | "loadedBlockCount"
>;

/** What steps did since loading. */
export class StepCounts {
  readonly #totals: Totals = {
    stepCount: 0,
    promptTokenCount: 0,
    rereadTokenCount: 0,
    generatedTokenCount: 0,
    sealingSeconds: 0,
    sealedBlockCount: 0,
    savedBlockCount: 0,
    loadedBlockCount: 0,
  };

  /** The sums. */
  get totals(): Readonly<Totals> {
    return this.#totals;
  }

  /** Counts a token that is sent. */
  countToken(): void {
    this.#totals.generatedTokenCount++;
  }

  /** Counts a step that was read. */
  count({ plan, outcome }: FinishedStep): void {
    const totals = this.#totals;
    totals.stepCount++;
    totals.sealingSeconds += outcome.sealingSeconds;
    totals.sealedBlockCount += plan.packs.length;
    totals.savedBlockCount += plan.saves.length + plan.swaps.length;
    totals.loadedBlockCount += plan.loads.length;
    if (!plan.slice?.isComplete) return;
    const { sequenceId, ids } = plan.slice;
    totals[isRereadId(sequenceId) ? "rereadTokenCount" : "promptTokenCount"] += ids.length;
  }
}
