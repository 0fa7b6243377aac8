/**
 * How long steps take on the device, by when they are submitted and read, and how many of them are
 * to be submitted before the first is read.
 *
 * @module
 */

/** Most steps that are submitted and not read. */
export const UNREAD_COUNT_MAX = 8;

/** What a step takes that is read sooner than one without work, milliseconds: not nothing. */
export const STEP_MS_MIN = 0.01;

/** A wait that is a smaller share of a step is not worth hiding. */
const WAIT_SHARE_MIN = 0.1;

/**
 * Steps to submit before the first of them is read: as many as keep the device busy meanwhile.
 *
 * @param waitMs From the end of a step on the device to the beginning of one that is submitted when
 * its result was read.
 * @param stepMs What a step takes on the device; null if none was measured.
 * @returns 1 to {@link UNREAD_COUNT_MAX}.
 */
export function unreadCount(waitMs: number, stepMs: number | null): number {
  if (stepMs === null || waitMs <= WAIT_SHARE_MIN * stepMs) return 1;
  return Math.min(UNREAD_COUNT_MAX, 1 + Math.ceil(waitMs / stepMs));
}

/** Notes when steps are submitted and read, in that order. */
export class StepClock {
  readonly #readsAll: boolean;
  readonly #waitMs: number;
  /** When each step that is not read was submitted, the oldest first. */
  readonly #submittedMs: number[] = [];
  /** How many of them were done when the last one was read. */
  #doneCount = 0;
  #readMs = -Infinity;

  /**
   * @param options `readsAll`: whether reading one step waits for all that are submitted. `waitMs`:
   * what reading a step takes that takes no time.
   */
  constructor({ readsAll, waitMs }: { readsAll: boolean; waitMs: number }) {
    this.#readsAll = readsAll;
    this.#waitMs = waitMs;
  }

  /** Notes that a step is submitted. */
  submitted(nowMs: number): void {
    this.#submittedMs.push(nowMs);
  }

  /**
   * Notes that the oldest step is read.
   *
   * @returns What it took on the device, in milliseconds, above 0; of steps that were read together
   * the mean, and null for all but the first.
   */
  read(nowMs: number): number | null {
    const submittedMs = this.#submittedMs.shift() ?? nowMs;
    if (this.#doneCount > 0) {
      this.#doneCount--;
      return null;
    }
    this.#doneCount = this.#readsAll ? this.#submittedMs.length : 0;
    const wasIdle = submittedMs >= this.#readMs;
    const begunMs = wasIdle ? submittedMs + this.#waitMs : this.#readMs;
    this.#readMs = nowMs;
    return Math.max(STEP_MS_MIN, nowMs - begunMs) / (1 + this.#doneCount);
  }
}
