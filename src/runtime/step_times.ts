import type { StepPlan } from "../scheduler/step_plan.ts";
import { StepClock, unreadCount } from "./step_clock.ts";
import { SubmitBudget } from "./submit_budget.ts";

/** What steps took, and what follows from it for the next ones. */
export class StepTimes {
  /** Most steps that are submitted and not read, whatever they take. */
  unreadLimit: number;
  readonly #clock: StepClock;
  readonly #budget: SubmitBudget;
  readonly #waitMs: number;
  readonly #layerCount: number;

  /** @param options As those of {@link StepClock} and {@link SubmitBudget}. */
  constructor(
    options: {
      submitMsMax: number;
      unreadLimit: number;
      readsAll: boolean;
      waitMs: number;
      layerCount: number;
    },
  ) {
    this.unreadLimit = options.unreadLimit;
    this.#waitMs = options.waitMs;
    this.#layerCount = options.layerCount;
    this.#clock = new StepClock(options);
    this.#budget = new SubmitBudget(options.submitMsMax);
  }

  /** Steps that it pays to submit before the first of them is read, if they only decode. */
  get unreadCountMax(): number {
    const stepMs = this.#budget.decodeMs(this.#layerCount);
    return Math.min(this.unreadLimit, unreadCount(this.#waitMs, stepMs));
  }

  /** Layers of decode rows that one submit may be; at least 1. */
  get decodeLayers(): number {
    return this.#budget.decodeLayers;
  }

  /** Layers of a slice of so many rows that one submit may be; at least 1. */
  sliceLayers(rowCount: number): number {
    return this.#budget.sliceLayers(rowCount);
  }

  /** Notes that the device gets a step. */
  submitted(): void {
    this.#clock.submitted(performance.now());
  }

  /** Notes that the oldest step is read; what it took, as {@link StepClock.read} says. */
  read({ decodes, slice }: StepPlan): number | null {
    const tookMs = this.#clock.read(performance.now());
    if (tookMs === null) return null;
    const sliceLayers = slice === null ? 0 : slice.layers.end - slice.layers.first;
    const decodeLayers = decodes.length > 0 ? this.#layerCount : 0;
    const sliceRowLayers = sliceLayers * (slice?.ids.length ?? 0);
    this.#budget.measured({ decodeLayers, sliceRowLayers }, tookMs);
    return tookMs;
  }
}
