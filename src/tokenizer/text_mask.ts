/**
 * Keeps text that a user wrote from being taken for control tokens while a template works on it:
 * special tokens in it are replaced by marks that no input contains, and put back as text
 * afterwards.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { anyOf } from "./special_tokens.ts";

/** Code points for private use, from which the mark is taken. */
const MARK_FIRST = 0xe000;
const MARK_LAST = 0xf8ff;

/** Hides special tokens in strings and shows them again. */
export class TextMask {
  readonly #mark: string;
  readonly #pattern: RegExp | null;
  readonly #hidden: string[] = [];

  /**
   * @param names Texts of the special tokens.
   * @param haystack All text the mark must not occur in.
   * @throws {EngineError} `invalid_request` with param `messages` if it has every possible mark.
   */
  constructor(names: readonly string[], haystack: string) {
    this.#mark = unusedMark(haystack);
    this.#pattern = maskPattern(names);
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
    if (this.#pattern === null) return text;
    return text.replace(this.#pattern, (found) => {
      const index = this.#hidden.push(found) - 1;
      return `${this.#mark}${index}${this.#mark}`;
    });
  }
}

/** Matches special tokens and, at the end of a text, what the next text may complete to one. */
function maskPattern(names: readonly string[]): RegExp | null {
  if (names.length === 0) return null;
  const beginnings = names.flatMap((name) =>
    Array.from({ length: name.length - 1 }, (_, index) => name.slice(0, index + 1))
  );
  const atEnd = beginnings.length === 0 ? "" : `|(?:${anyOf(beginnings)})(?=\\s*$)`;
  return new RegExp(anyOf(names) + atEnd, "gu");
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
