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

/** A match of this length is trusted, whatever became of guesses before. */
const LONG_MATCH_LENGTH = 12;
const LONG_MATCH_SHARE = 0.7;

/** A further token is guessed while it is right with at least this likelihood. */
const LIKELIHOOD_MIN = 0.3;

/** Share of right guesses assumed at first, and after a pause. */
const FIRST_SHARE = 0.6;
const PROBE_SHARE = 0.35;

/** Weight of a new outcome in the share of right guesses. */
const OUTCOME_WEIGHT = 0.15;

/** Tokens without a guess once guesses do not pay; doubled each time in a row. */
const PAUSE_MIN = 16;
const PAUSE_MAX = 256;

/** What guesses the next tokens of one sequence. */
export interface TokenDrafter {
  /**
   * Tokens that may follow.
   *
   * @param skipCount Tokens behind the known ones that are left out: those in flight.
   * @param countMax At most this many.
   */
  propose(skipCount: number, countMax: number): number[];
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
  #share = FIRST_SHARE;
  #pause = PAUSE_MIN;
  #pausedUntil = 0;

  /** @param ids Prompt and answer; grows. */
  constructor(ids: readonly number[]) {
    this.#ids = ids;
  }

  propose(skipCount: number, countMax: number): number[] {
    const ids = this.#ids;
    if (ids.length < this.#pausedUntil) return [];
    const place = this.#find();
    if (place === null) return [];
    const matchLength = this.#matchLength(place);
    const share = matchLength >= LONG_MATCH_LENGTH
      ? Math.max(this.#share, LONG_MATCH_SHARE)
      : this.#share;
    // The tokens in flight must come as guessed, too.
    const count = Math.floor(Math.log(LIKELIHOOD_MIN) / Math.log(share)) - skipCount;
    const first = place + skipCount;
    return ids.slice(first, first + Math.max(0, Math.min(count, countMax)));
  }

  learn(guessedCount: number, rightCount: number): void {
    const outcomes = Math.min(guessedCount, rightCount + 1);
    for (let index = 0; index < outcomes; index++) {
      const outcome = index < rightCount ? 1 : 0;
      this.#share += OUTCOME_WEIGHT * (outcome - this.#share);
    }
    if (rightCount === guessedCount) this.#pause = PAUSE_MIN;
    if (this.#share >= LIKELIHOOD_MIN) return;
    this.#share = PROBE_SHARE;
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
