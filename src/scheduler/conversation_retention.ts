/**
 * The order in which blocks on the device are given up: as if whole conversations were.
 *
 * @module
 */

import type { Retention, RetentionPolicy, RetentionRank } from "./retention.ts";

/** Uses after which a group has ended, in multiples of all things that are held. */
const STALE_ROUND_COUNT = 2;

/** Things that were used together, one after the other. */
interface Group<T> {
  things: Set<T>;
  /** Count of uses at its last one. */
  lastUse: number;
}

/** Groups by their last use. */
class Groups<T> {
  readonly #groups: Group<T>[] = [];
  readonly #groupOf = new Map<T, Group<T>>();

  get size(): number {
    return this.#groupOf.size;
  }

  has(thing: T): boolean {
    return this.#groupOf.has(thing);
  }

  add(thing: T, { useCount, isNew }: { useCount: number; isNew: boolean }): void {
    let group = this.#groups.at(-1);
    if (group === undefined || isNew) this.#groups.push(group = { things: new Set(), lastUse: 0 });
    group.things.add(thing);
    group.lastUse = useCount;
    this.#groupOf.set(thing, group);
  }

  drop(thing: T): boolean {
    const group = this.#groupOf.get(thing);
    if (group === undefined) return false;
    this.#groupOf.delete(thing);
    group.things.delete(thing);
    if (group.things.size === 0) this.#groups.splice(this.#groups.indexOf(group), 1);
    return true;
  }

  /** Groups of which each was used last at or before `useCount`, the oldest first. */
  until(useCount: number): Group<T>[] {
    return this.#groups.filter(({ lastUse }) => lastUse <= useCount);
  }

  get oldest(): Group<T> | undefined {
    return this.#groups[0];
  }

  get newest(): Group<T> | undefined {
    return this.#groups.at(-1);
  }

  /** The others, the newest first. */
  after(useCount: number): Group<T>[] {
    return this.#groups.filter(({ lastUse }) => lastUse > useCount).reverse();
  }
}

/**
 * What was used together goes together, in the order of its uses: a sequence gives back its deepest
 * block first. First goes what was not used for a time in which all that is held was used twice
 * over: its conversation has ended. Then what nobody found again, then the rest, each time what was
 * used last: so one conversation more than there is room for loses its own place, where the least
 * recently used order would take each one's place just before its next turn. What is pinned goes
 * last, whenever it was used.
 */
export const conversationsLast: RetentionPolicy = <T>() => new ConversationsLast<T>();

/** The first go first. */
const RANKS = ["once", "again", "pinned"] as const;

class ConversationsLast<T> implements Retention<T> {
  readonly #groups = { once: new Groups<T>(), again: new Groups<T>(), pinned: new Groups<T>() };
  #useCount = 0;
  /** Ranks in which nothing was used since something was taken. */
  readonly #closed = new Set<RetentionRank>();

  get size(): number {
    return RANKS.reduce((sum, rank) => sum + this.#groups[rank].size, 0);
  }

  *[Symbol.iterator](): Iterator<T> {
    const end = this.#staleUse;
    const { once, again, pinned } = this.#groups;
    for (const { things } of [...once.until(end), ...again.until(end)]) yield* things;
    for (const { things } of [...once.after(end), ...again.after(end)]) yield* things;
    for (const { things } of pinned.after(-1)) yield* things;
  }

  has(thing: T): boolean {
    return RANKS.some((rank) => this.#groups[rank].has(thing));
  }

  touch(thing: T, rank: RetentionRank = "once"): void {
    this.#remove(thing);
    const isNew = this.#closed.delete(rank);
    this.#groups[rank].add(thing, { useCount: ++this.#useCount, isNew });
  }

  drop(thing: T): boolean {
    for (const rank of RANKS) this.#closed.add(rank);
    return this.#remove(thing);
  }

  victim(): T | undefined {
    const { once, again, pinned } = this.#groups;
    const end = this.#staleUse;
    const stale = [once.oldest, again.oldest].find((group) => group && group.lastUse <= end);
    const [first] = (stale ?? once.newest ?? again.newest ?? pinned.newest)?.things ?? [];
    return first;
  }

  #remove(thing: T): boolean {
    return RANKS.some((rank) => this.#groups[rank].drop(thing));
  }

  /** What was used last at this count or before has ended. */
  get #staleUse(): number {
    return this.#useCount - STALE_ROUND_COUNT * this.size - 1;
  }
}
