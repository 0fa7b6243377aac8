/**
 * Finds special tokens written in a text.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";

/** Cuts a text at special tokens: the longest one at each place, from left to right. */
export class SpecialTokens {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #pattern: RegExp | null;

  /** @param ids Id of each special token, by its text. */
  constructor(ids: ReadonlyMap<string, number>) {
    this.#ids = ids;
    const names = [...ids.keys()].filter((name) => name !== "");
    this.#pattern = names.length === 0 ? null : new RegExp(`(${anyOf(names)})`, "u");
  }

  /** Ids of special tokens and the texts between them, in order; no text is empty. */
  split(text: string): (number | string)[] {
    // With a group in the pattern, split() keeps the matches at the odd places.
    const pieces = this.#pattern === null ? [text] : text.split(this.#pattern);
    const result: (number | string)[] = [];
    for (const [index, piece] of pieces.entries()) {
      if (index % 2 === 1) {
        const id = this.#ids.get(piece);
        invariant(id !== undefined, "every match of the pattern is a special token");
        result.push(id);
      } else if (piece !== "") {
        result.push(piece);
      }
    }
    return result;
  }
}

/** A regular expression's source for any of `texts`, which prefers longer ones. */
export function anyOf(texts: Iterable<string>): string {
  const sorted = [...new Set(texts)].sort((a, b) => b.length - a.length);
  return sorted.map((text) => RegExp.escape(text)).join("|");
}
