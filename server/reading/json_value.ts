/**
 * JSON values within an answer: where one ends, as it comes.
 *
 * @module
 */

import type { Reading } from "./parts.ts";
import type { Say, Scanner } from "./scanner.ts";

/** Takes a string. Null if there is none. */
export function* readString(scanner: Scanner): Reading<string | null> {
  if ((yield* scanner.peek(1)) !== '"') return null;
  let length = 1;
  while (true) {
    const text = yield* scanner.peek(length + 1);
    const character = text[length];
    if (character === undefined) return null;
    length += character === "\\" ? 2 : 1;
    if (character === '"') break;
  }
  try {
    return JSON.parse(scanner.take(length));
  } catch {
    return null;
  }
}

/** Follows a value character by character. */
class ValueEnd {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  readonly #isScalar: boolean;

  constructor(first: string) {
    this.#isScalar = !'{["'.includes(first);
  }

  /** Whether the value ends with this character, or before it. */
  push(character: string): "within" | "last" | "behind" {
    if (this.#isScalar) return /[\w.+-]/.test(character) ? "within" : "behind";
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') this.#isInString = false;
    } else if (character === '"') this.#isInString = true;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") this.#depth--;
    return this.#depth <= 0 && !this.#isInString ? "last" : "within";
  }
}

/** Says a value as it comes. False if there is none, or the text ends within it. */
export function* readValue(scanner: Scanner, say: Say): Reading<boolean> {
  const first = yield* scanner.peek(1);
  if (!/^[{["\d.tfn-]/.test(first)) return false;
  const end = new ValueEnd(first);
  while (true) {
    // All that is there at a time: pieces come as the model writes them.
    let text = yield* scanner.peek(1);
    if (text === "") return false;
    text = scanner.ready;
    let length = 0;
    let state: ReturnType<ValueEnd["push"]> = "within";
    while (state === "within" && length < text.length) state = end.push(text[length++]);
    if (state === "behind") length--;
    if (length > 0) yield* say(scanner.take(length));
    if (state !== "within") return true;
  }
}

/** Takes a value. Null if there is none. */
export function* collectValue(scanner: Scanner): Reading<string | null> {
  let text = "";
  const isWhole = yield* readValue(scanner, (piece) => {
    text += piece;
    return [];
  });
  return isWhole || isScalar(text) ? text : null;
}

function isScalar(text: string): boolean {
  return /^[\w.+-]+$/.test(text);
}

/** The value of a JSON text; undefined if it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
