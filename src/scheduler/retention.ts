/**
 * Which of the things that are kept go first when their room is needed: one interface for blocks on
 * the device, in host memory and on disk.
 *
 * @module
 */

/** The things of one tier that may be given up, in the order in which they go. */
export interface Retention<T> {
  /** Things held. */
  readonly size: number;
  /** All of them, the next victim first. */
  [Symbol.iterator](): Iterator<T>;
  /** Whether a thing is held. */
  has(thing: T): boolean;
  /** Holds a thing that was just used, or notes that one held was used again. */
  touch(thing: T): void;
  /** Holds a thing no longer; false if it was not held. */
  drop(thing: T): boolean;
  /** What goes first; undefined if nothing is held. It stays held until it is dropped. */
  victim(): T | undefined;
}

/** Makes the retention of a tier; every tier of a cache has one of its own. */
export type RetentionPolicy = <T>() => Retention<T>;

/** What was used least recently goes first. */
export const leastRecentlyUsed: RetentionPolicy = <T>() => new LeastRecentlyUsed<T>();

class LeastRecentlyUsed<T> implements Retention<T> {
  /** Least recently used first: a set lists its members in the order of their adding. */
  #things = new Set<T>();

  get size(): number {
    return this.#things.size;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#things[Symbol.iterator]();
  }

  has(thing: T): boolean {
    return this.#things.has(thing);
  }

  touch(thing: T): void {
    this.#things.delete(thing);
    this.#things.add(thing);
  }

  drop(thing: T): boolean {
    return this.#things.delete(thing);
  }

  victim(): T | undefined {
    const [first] = this.#things;
    return first;
  }
}
