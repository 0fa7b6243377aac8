/**
 * The order in which blocks on the device are given up: of two orders the one that would have kept
 * more of what was asked for lately.
 *
 * @module
 */

import { conversationsLast } from "./conversation_retention.ts";
import {
  leastRecentlyUsed,
  type Retention,
  type RetentionPolicy,
  type RetentionRank,
} from "./retention.ts";

/** What an order would hold if it alone had chosen, by name only. */
class Shadow {
  readonly #held: Retention<unknown>;
  /** Things in use that it held when their use began. */
  readonly #found = new Set<unknown>();
  /** Things that it had given up when they were used, each counting less with time. */
  missCount = 0;

  constructor(policy: RetentionPolicy) {
    this.#held = policy<unknown>();
  }

  begin(key: unknown): void {
    if (this.#held.drop(key)) this.#found.add(key);
  }

  /** Ends a use; `decay` is what earlier misses count from now on. */
  end(
    key: unknown,
    rank: RetentionRank,
    { isNew, decay }: { isNew: boolean; decay: number },
  ): void {
    const isHit = this.#found.delete(key) || this.#held.has(key);
    this.missCount = this.missCount * decay + (isHit || isNew ? 0 : 1);
    this.#held.touch(key, rank);
  }

  /** Gives up what is over `countMax`. */
  shrink(countMax: number): void {
    // Uses that were broken off do not end.
    if (this.#found.size > MEMORY_ROUND_COUNT * (countMax + 64)) this.#found.clear();
    while (this.#held.size > countMax) this.#held.drop(this.#held.victim());
  }
}

/** Things whose names are remembered, in multiples of those that are held. */
const MEMORY_ROUND_COUNT = 4;
/** Uses after which a miss counts half, in multiples of all things that are held. */
const HALF_LIFE_ROUND_COUNT = 8;
/** What share of the misses the other order may have to take over. */
const ADVANTAGE = 0.8;

class Adaptive<T> implements Retention<T> {
  readonly #keyOf: (thing: T) => unknown;
  readonly #orders = [leastRecentlyUsed<T>(), conversationsLast<T>()] as const;
  readonly #shadows = [new Shadow(leastRecentlyUsed), new Shadow(conversationsLast)] as const;
  /** Names of things that were used, the latest last: another use of one is one that counts. */
  readonly #known = new Set<unknown>();
  #chosen: 0 | 1 = 0;
  #victim: T | undefined;

  constructor(keyOf: (thing: T) => unknown) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#orders[0].size;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#orders[this.#chosen][Symbol.iterator]();
  }

  has(thing: T): boolean {
    return this.#orders[0].has(thing);
  }

  touch(thing: T, rank: RetentionRank = "once"): void {
    const key = this.#keyOf(thing);
    const isNew = !this.#known.delete(key);
    this.#known.add(key);
    // Somebody asked for it again, though it had to be made again.
    const worth = !isNew && rank === "once" ? "again" : rank;
    for (const order of this.#orders) order.touch(thing, worth);
    const decay = 0.5 ** (1 / (HALF_LIFE_ROUND_COUNT * Math.max(1, this.size)));
    for (const shadow of this.#shadows) shadow.end(key, worth, { isNew, decay });
    const [oldest] = this.#known;
    if (this.#known.size > MEMORY_ROUND_COUNT * Math.max(64, this.size)) this.#known.delete(oldest);
  }

  make(thing: T): void {
    for (const shadow of this.#shadows) shadow.begin(this.#keyOf(thing));
  }

  drop(thing: T): boolean {
    const [isHeld] = this.#orders.map((order) => order.drop(thing));
    if (thing === this.#victim) {
      for (const shadow of this.#shadows) shadow.shrink(this.size);
    } else for (const shadow of this.#shadows) shadow.begin(this.#keyOf(thing));
    this.#victim = undefined;
    return isHeld;
  }

  victim(): T | undefined {
    const other = this.#chosen === 0 ? 1 : 0;
    const [now, then] = [this.#chosen, other].map((index) => this.#shadows[index].missCount);
    if (then < ADVANTAGE * now) this.#chosen = other;
    return this.#victim = this.#orders[this.#chosen].victim();
  }
}

/**
 * Least recently used first, unless giving up whole conversations would have lost less: of both
 * orders the names of what each would hold are kept, and how much of what was used it would not
 * have had (as in Qureshi et al. 2007, "Adaptive insertion policies for high performance caching").
 */
export const adaptive: RetentionPolicy = <T>(keyOf: (thing: T) => unknown = (thing) => thing) =>
  new Adaptive<T>(keyOf);
