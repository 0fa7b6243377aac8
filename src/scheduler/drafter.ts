/**
 * Guesses the tokens that follow from what a sequence has repeated so far (n-gram look-up), so that
 * one step can check several of them.
 *
 * Source: Saxena 2023, prompt lookup decoding; the estimate of what pays is ours.
 *
 * @module
 */

/** Tokens that must have been there in the same order before anything is guessed. */
const MATCH_LENGTH_MIN = 3;

/** Tokens compared at most to see how well a match fits. */
const MATCH_LENGTH_MAX = 16;

/** Matches of this length are copies, not turns of phrase: they have a share of their own. */
const LONG_MATCH_LENGTH = 8;

/** Shares of right guesses assumed at first: behind short matches, behind long ones. */
const FIRST_SHARES = [0.6, 0.85] as const;

/** Below this share guessing pauses; what is assumed after that. */
const SHARE_MIN = 0.3;
const PROBE_SHARE = 0.35;

/** Weights of a new outcome in these shares: what ends a copy is an exception. */
const OUTCOME_WEIGHTS = [0.1, 0.07] as const;

/** Tokens without a guess once guesses do not pay; doubled each time in a row. */
const PAUSE_MIN = 16;
const PAUSE_MAX = 256;

/**
 * Tokens that a step gives in a unit of time, if it has so many guesses more, of which so many are
 * expected to be right.
 */
export type StepRate = (guessCount: number, rightCount: number) => number;

/** What guesses the next tokens of one sequence. */
export interface TokenDrafter {
  /**
   * Tokens that may follow: as many as make the step's rate the highest.
   *
   * @param skipCount Tokens behind the known ones that are left out: those in flight.
   * @param countMax At most this many.
   */
  propose(skipCount: number, countMax: number, rateOf: StepRate): number[];
  /** Learns how many of the guesses of a step were right. */
  learn(guessedCount: number, rightCount: number): void;
}

/** Makes what guesses for a sequence, from its growing tokens. */
export type CreateDrafter = (ids: readonly number[]) => TokenDrafter;

/** See {@link Drafter}. */
export const ngramDrafter: CreateDrafter = (ids) => new Drafter(ids);

/** Looks up what followed the newest tokens when they last appeared. */
export class Drafter implements TokenDrafter {
  #ids: readonly number[];
  /** Index behind the newest run of `MATCH_LENGTH_MIN` tokens of a hash. */
  #places = new Map<number, number>();
  #indexedCount = MATCH_LENGTH_MIN - 1;
  #shares: number[] = [...FIRST_SHARES];
  /** Which of them the last guesses go into. */
  #kind: 0 | 1 = 0;
  #pause = PAUSE_MIN;
  #pausedUntil = 0;

  /** @param ids Prompt and answer; grows. */
  constructor(ids: readonly number[]) {
    this.#ids = ids;
  }

  propose(skipCount: number, countMax: number, rateOf: StepRate): number[] {
    const ids = this.#ids;
    if (ids.length < this.#pausedUntil) return [];
    const place = this.#find();
    if (place === null) return [];
    this.#kind = this.#matchLength(place) >= LONG_MATCH_LENGTH ? 1 : 0;
    const first = place + skipCount;
    const knownCount = Math.min(countMax, ids.length - first);
    return ids.slice(first, first + this.#bestCount(skipCount, knownCount, rateOf));
  }

  /** How many guesses pay most. */
  #bestCount(skipCount: number, countMax: number, rateOf: StepRate): number {
    const share = this.#shares[this.#kind];
    // The tokens in flight must come as guessed, too.
    let likelihood = share ** skipCount;
    let [best, bestRate, rightCount] = [0, rateOf(0, 0), 0];
    for (let count = 1; count <= countMax; count++) {
      likelihood *= share;
      rightCount += likelihood;
      const rate = rateOf(count, rightCount);
      if (rate > bestRate) [best, bestRate] = [count, rate];
    }
    return best;
  }

  learn(guessedCount: number, rightCount: number): void {
    const outcomes = Math.min(guessedCount, rightCount + 1);
    const kind = this.#kind;
    let share = this.#shares[kind];
    for (let index = 0; index < outcomes; index++) {
      share += OUTCOME_WEIGHTS[kind] * ((index < rightCount ? 1 : 0) - share);
    }
    this.#shares[kind] = share < SHARE_MIN ? PROBE_SHARE : share;
    if (rightCount === guessedCount) this.#pause = PAUSE_MIN;
    if (share >= SHARE_MIN) return;
    this.#pausedUntil = this.#ids.length + rightCount + this.#pause;
    this.#pause = Math.min(2 * this.#pause, PAUSE_MAX);
  }

  /** Index behind an earlier run like the newest one; null if there is none. */
  #find(): number | null {
    const ids = this.#ids;
    if (ids.length < MATCH_LENGTH_MIN) return null;
    // All runs but the newest, which would find itself.
    for (let end = this.#indexedCount + 1; end < ids.length; end++) {
      this.#places.set(this.#hash(end), end);
    }
    this.#indexedCount = Math.max(this.#indexedCount, ids.length - 1);
    const place = this.#places.get(this.#hash(ids.length));
    return place !== undefined && this.#matchLength(place) >= MATCH_LENGTH_MIN ? place : null;
  }

  /** Of the run that ends before `end`. */
  #hash(end: number): number {
    let hash = 0;
    for (let index = end - MATCH_LENGTH_MIN; index < end; index++) {
      hash = Math.imul(hash ^ this.#ids[index], 0x9e3779b1) ^ (hash >>> 15);
    }
    return hash;
  }

  #matchLength(place: number): number {
    const ids = this.#ids;
    let length = 0;
    while (
      length < MATCH_LENGTH_MAX && length < place &&
      ids[place - 1 - length] === ids[ids.length - 1 - length]
    ) length++;
    return length;
  }
}
