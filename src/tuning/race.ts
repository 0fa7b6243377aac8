/**
 * Which of several ways to run an operation is the fastest on a device, and right: pure, but for
 * what it is given to make and to time.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";

/** How many times faster than the first a way must be, so that noise decides nothing. */
export const GAIN_MIN = 1.05;

/** One way, ready to run. */
export interface Entrant {
  /** Milliseconds of a run. */
  time(): Promise<number>;
  /** What is wrong with its results; null if nothing is. */
  fault(): Promise<string | null>;
  /** Frees what only it uses. */
  destroy(): void;
}

/** Ways of one operation on one shape. */
export interface Contest {
  /** What the choice is kept by: the key of `chooseVariant`. */
  key: string;
  /** What it is kept by for other models: that it was right and fast is known of these shapes. */
  keptAs: string;
  /** All that the device supports; the first runs if nothing is measured. */
  names: readonly string[];
  /** @throws {EngineError} If the device cannot compile it after all. */
  prepare(name: string): Promise<Entrant>;
}

/** What a contest gave. */
export interface Placing {
  key: string;
  keptAs: string;
  /** The winner. */
  name: string;
  /** How many times as fast as the first of the table; 1 for that one. */
  gain: number;
  /** Milliseconds of a run, by name. */
  times: Readonly<Record<string, number>>;
  /** Why others could not win although they were there, by name. */
  refused: Readonly<Record<string, string>>;
}

/**
 * Times all ways, and those that seem to win once more beside the first. The winner is clearly
 * faster than the first, and right.
 *
 * @param isLate Asked before each way; the contest ends if so.
 * @returns Null if it was too late to time all of them.
 */
export async function race(contest: Contest, isLate: () => boolean): Promise<Placing | null> {
  const { key, keptAs, names: [first, ...others] } = contest;
  const entrants = new Map<string, Entrant>();
  const times: Record<string, number> = {};
  const refused: Record<string, string> = {};
  try {
    for (const name of [first, ...others]) {
      if (isLate()) return null;
      const entrant = await prepared(contest, name);
      if (typeof entrant === "string") {
        if (name === first) {
          return { key, keptAs, name: first, gain: 1, times, refused: { [first]: entrant } };
        }
        refused[name] = entrant;
        continue;
      }
      entrants.set(name, entrant);
      times[name] = await entrant.time();
    }
    const isFaster = (name: string) => times[name] * GAIN_MIN < times[first];
    const challengers = others.filter((name) => entrants.has(name) && isFaster(name))
      .sort((a, b) => times[a] - times[b]);
    for (const name of challengers) {
      for (const each of [first, name]) {
        times[each] = Math.min(times[each], await entrants.get(each)!.time());
      }
      if (!isFaster(name)) continue;
      const fault = await entrants.get(name)!.fault();
      if (fault === null) {
        return { key, keptAs, name, gain: times[first] / times[name], times, refused };
      }
      refused[name] = fault;
    }
    return { key, keptAs, name: first, gain: 1, times, refused };
  } finally {
    for (const entrant of entrants.values()) entrant.destroy();
  }
}

/** A way that is ready, or why it is not. */
async function prepared(contest: Contest, name: string): Promise<Entrant | string> {
  try {
    return await contest.prepare(name);
  } catch (error) {
    if (error instanceof EngineError || error instanceof RangeError) return error.message;
    throw error;
  }
}
