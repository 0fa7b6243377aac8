/**
 * Which of the things that are kept go first when their room is needed: one interface for blocks on
 * the device, in host memory and on disk.
 *
 * @module
 */

/**
 * How much a thing is worth: `once` if nobody found it who had not made it, `again` if somebody
 * did, `pinned` if somebody asked to keep it.
 */
export type RetentionRank = "once" | "again" | "pinned";

/** The things of one tier that may be given up, in the order in which they go. */
export interface Retention<T> {
  /** Things held. */
  readonly size: number;
  /** All of them, the next victim first. */
  [Symbol.iterator](): Iterator<T>;
  /** Whether a thing is held. */
  has(thing: T): boolean;
  /**
   * Holds a thing that was just used, or notes that one held was used again.
   *
   * @param rank How much it is worth; some orders look at that. Default `once`.
   */
  touch(thing: T, rank?: RetentionRank): void;
  /** Notes that a thing is used that was not held, as it had to be made. */
  make?(thing: T): void;
  /** Holds a thing no longer; false if it was not held. */
  drop(thing: T): boolean;
  /** What goes first; undefined if nothing is held. It stays held until it is dropped. */
  victim(): T | undefined;
}

/**
 * Makes the retention of a tier; every tier of a cache has one of its own.
 *
 * @param keyOf Names a thing that comes again after it was given up; by default it is its own name.
 */
export type RetentionPolicy = <T>(keyOf?: (thing: T) => unknown) => Retention<T>;

/**
 * An order on the device by its name: least recently used first, by conversations, or the one of
 * both that would have kept more lately.
 */
export type EvictionOrder = "adaptive" | "recency" | "conversations";

/** What was used least recently goes first, what is pinned last. */
export const leastRecentlyUsed: RetentionPolicy = <T>() => new LeastRecentlyUsed<T>();

class LeastRecentlyUsed<T> implements Retention<T> {
  /** Least recently used first: a set lists its members in the order of their adding. */
  #things = new Set<T>();
  /** Those that are pinned: they go behind all others. */
  #pinned = new Set<T>();

  get size(): number {
    return this.#things.size + this.#pinned.size;
  }

  *[Symbol.iterator](): Iterator<T> {
    yield* this.#things;
    yield* this.#pinned;
  }

  has(thing: T): boolean {
    return this.#things.has(thing) || this.#pinned.has(thing);
  }

  touch(thing: T, rank: RetentionRank = "once"): void {
    this.drop(thing);
    (rank === "pinned" ? this.#pinned : this.#things).add(thing);
  }

  drop(thing: T): boolean {
    return this.#things.delete(thing) || this.#pinned.delete(thing);
  }

  victim(): T | undefined {
    const [first] = this.#things.size > 0 ? this.#things : this.#pinned;
    return first;
  }
}
