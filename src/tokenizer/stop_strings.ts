/**
 * Ends a streamed text where a stop string begins.
 *
 * @module
 */

/** What {@link StopMatcher.push} returns. */
export interface StopResult {
  /** Text before any stop string, or up to its end where it is included. */
  text: string;
  /** Whether a stop string was found; all later text is dropped. */
  stopped: boolean;
}

/**
 * Looks for stop strings in text that comes in pieces. The first stop string to be complete counts,
 * and of those that end together the longest. How the text is cut into pieces does not matter.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  readonly #includesStop: boolean;
  #held = "";
  #stopped = false;
  #found: string | null = null;

  /**
   * @param stops Stop strings; none is empty.
   * @param options `includesStop`: whether the stop string is returned with the text before it.
   * @throws {RangeError} If one is empty.
   */
  constructor(stops: readonly string[], { includesStop = false } = {}) {
    if (stops.includes("")) throw new RangeError("Cannot stop at an empty string");
    this.#stops = stops;
    this.#includesStop = includesStop;
  }

  /** The stop string that ended the text; null if none did. */
  get found(): string | null {
    return this.#found;
  }

  /** Takes the next piece; returns all text that cannot be part of a stop string any more. */
  push(piece: string): StopResult {
    if (this.#stopped) return { text: "", stopped: true };
    const text = this.#held + piece;
    const stop = this.#findStop(text);
    this.#stopped = stop !== null;
    if (stop) this.#found = text.slice(stop.begin, stop.end);
    const stopLength = this.#includesStop ? stop?.end : stop?.begin;
    const textLength = stopLength ?? text.length - this.#heldLength(text);
    this.#held = this.#stopped ? "" : text.slice(textLength);
    return { text: text.slice(0, textLength), stopped: this.#stopped };
  }

  /** Ends the text: returns what was held back. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  /** Where the stop string stands that is complete first. */
  #findStop(text: string): { begin: number; end: number } | null {
    let first: { begin: number; end: number } | null = null;
    for (const stop of this.#stops) {
      const begin = text.indexOf(stop);
      if (begin < 0) continue;
      const end = begin + stop.length;
      const isEarlier = first === null || end < first.end ||
        (end === first.end && begin < first.begin);
      if (isEarlier) first = { begin, end };
    }
    return first;
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      const lengthMax = Math.min(stop.length - 1, text.length);
      for (let length = lengthMax; length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
