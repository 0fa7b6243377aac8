/**
 * Who is next: for a slot, for the slice of a step, and to give its memory back. Time is counted in
 * planned steps.
 *
 * @module
 */

import { SLICE_TOKEN_COUNT } from "../core/shapes.ts";
import type { Sequence } from "./sequence.ts";

/** Steps of waiting that raise a request by one priority. */
export const PRIORITY_AGING_STEP_COUNT = 256;

/** Steps of waiting that count for a prompt as one slice less to do. */
export const PROMPT_AGING_STEP_COUNT = 4;

type Candidate = Pick<
  Sequence,
  "priority" | "arrivalIndex" | "arrivalStep" | "slicedStep" | "remainingPromptCount"
>;

/** The waiting in the order of their turn: priority, raised by age, then first come. */
export function waitingOrder<T extends Candidate>(waiting: readonly T[], step: number): T[] {
  const rank = ({ priority, arrivalStep }: Candidate) =>
    priority + Math.floor((step - arrivalStep) / PRIORITY_AGING_STEP_COUNT);
  return waiting.toSorted((a, b) => rank(b) - rank(a) || a.arrivalIndex - b.arrivalIndex);
}

/**
 * Whose prompt the step's slice is of: the highest priority, raised by age; among equals the one
 * with the fewest slices left, where steps since its last slice count as slices done. A short
 * prompt passes a long one, but only for a time.
 */
export function nextPrefill<T extends Candidate>(
  prefilling: readonly T[],
  step: number,
): T | null {
  const rank = ({ priority, slicedStep }: Candidate) =>
    priority + Math.floor((step - slicedStep) / PRIORITY_AGING_STEP_COUNT);
  const left = ({ remainingPromptCount, slicedStep }: Candidate) =>
    Math.ceil(remainingPromptCount / SLICE_TOKEN_COUNT) -
    (step - slicedStep) / PROMPT_AGING_STEP_COUNT;
  const [first] = prefilling.toSorted((a, b) =>
    rank(b) - rank(a) || left(a) - left(b) || a.arrivalIndex - b.arrivalIndex
  );
  return first ?? null;
}

/** The running by rank; the last, the youngest of the lowest priority, is preempted first. */
export function runningOrder<T extends Candidate>(running: readonly T[]): T[] {
  return running.toSorted((a, b) => b.priority - a.priority || a.arrivalIndex - b.arrivalIndex);
}
