/**
 * How long blocks of a store are waited for. Reading them again is what it is measured against: a
 * store that brings them slower than that is left.
 *
 * @module
 */

/** Time-outs that a fetch may last while it is not known how fast prompts are read. */
const UNKNOWN_TIMEOUT_COUNT = 20;

/** What a fetch is worth. */
export interface FetchWorth {
  keyCount: number;
  /** Milliseconds that reading the same tokens again would take; null: not known. */
  savedMs: number | null;
}

/**
 * When a fetch ends. It lasts one time-out at least if it is not done before. Each of its `n`
 * blocks that has come or is on its way buys an `n`th of the time-out and of what the whole fetch
 * saves, so that one that would take longer than both together ends as soon as that is plain; and
 * between two blocks there is never more than a time-out.
 */
export class FetchLimit {
  readonly #timeoutMs: number;
  readonly #worth: FetchWorth;
  readonly #startMs: number;
  #cameMs: number;
  #cameCount = 0;

  /** @param nowMs As of `performance.now()`; begins the fetch. */
  constructor(timeoutMs: number, worth: FetchWorth, nowMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#worth = worth;
    this.#startMs = nowMs;
    this.#cameMs = nowMs;
  }

  /** Notes a block. */
  came(nowMs: number): void {
    this.#cameCount++;
    this.#cameMs = nowMs;
  }

  /** When the fetch ends unless a block comes before. */
  get endMs(): number {
    return Math.min(this.#cameMs + this.#timeoutMs, this.latestMs);
  }

  /** The same of who hears of blocks late, and so cannot say when nothing comes. */
  get latestMs(): number {
    const { keyCount, savedMs } = this.#worth;
    const most = savedMs === null
      ? UNKNOWN_TIMEOUT_COUNT * this.#timeoutMs
      : Math.min(1, (this.#cameCount + 1) / keyCount) * (this.#timeoutMs + savedMs);
    return this.#startMs + Math.max(this.#timeoutMs, most);
  }
}
