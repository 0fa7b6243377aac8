/**
 * Keeps text that a user wrote from being taken for control tokens while a template works on it:
 * special tokens in it are replaced by marks that no input contains, and put back as text
 * afterwards.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { SpecialTokens } from "./special_tokens.ts";

/** Code points for private use, from which the mark is taken. */
const MARK_FIRST = 0xe000;
const MARK_LAST = 0xf8ff;

/** Hides special tokens in strings and shows them again. */
export class TextMask {
  readonly #mark: string;
  readonly #specials: SpecialTokens;
  readonly #hidden: string[] = [];

  /**
   * @param specials The special tokens; what the end of a text may begin of one is hidden too.
   * @param haystack All text the mark must not occur in.
   * @throws {EngineError} `invalid_request` with param `messages` if it has every possible mark.
   */
  constructor(specials: SpecialTokens, haystack: string) {
    this.#mark = unusedMark(haystack);
    this.#specials = specials;
  }

  /** `value` with special tokens hidden in every string of it, at any depth; keys stay. */
  hide(value: unknown): unknown {
    if (typeof value === "string") return this.#hideText(value);
    if (Array.isArray(value)) return value.map((element) => this.hide(element));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [key, this.hide(element)]),
    );
  }

  /** `text` with everything hidden restored. */
  show(text: string): string {
    const mark = RegExp.escape(this.#mark);
    return text
      .replace(new RegExp(`${mark}(\\d+)${mark}`, "gu"), (_, index) => this.#hidden[index] ?? "")
      // A template that cuts strings may have cut a mark from its other half.
      .replaceAll(this.#mark, "");
  }

  #hideText(text: string): string {
    return this.#specials.replace(text, (found) => {
      const index = this.#hidden.push(found) - 1;
      return `${this.#mark}${index}${this.#mark}`;
    });
  }
}

/**
 * A character for private use that `haystack` does not have.
 *
 * @throws {EngineError} `invalid_request` with param `messages` if it has all of them.
 */
export function unusedMark(haystack: string): string {
  for (let code = MARK_FIRST; code <= MARK_LAST; code++) {
    const mark = String.fromCharCode(code);
    if (!haystack.includes(mark)) return mark;
  }
  throw new EngineError(
    "invalid_request",
    "Cannot render messages: they contain every code point for private use",
    { param: "messages" },
  );
}
