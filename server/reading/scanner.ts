/**
 * The text of an answer as it comes, for readers that wait for more of it. How the text is cut into
 * pieces does not matter to them.
 *
 * @module
 */

import { MORE, type Part, type Reading } from "./parts.ts";

/** Makes a piece of text. */
export type Say = (text: string) => Iterable<Part>;

/** How many last characters of `text` may be the beginning of `mark`. */
function overlap(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Where the first of the marks stands in `text`, the longest of those that begin there. */
function findFirst(text: string, marks: readonly string[]): { at: number; mark: string } | null {
  let first: { at: number; mark: string } | null = null;
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at < 0) continue;
    const isFirst = first === null || at < first.at ||
      (at === first.at && mark.length > first.mark.length);
    if (isFirst) first = { at, mark };
  }
  return first;
}

/** Text with a place in it. Places count from the beginning of the answer. */
export class Scanner {
  #text = "";
  /** Place of the first character of `#text`. */
  #base = 0;
  #place = 0;
  /** Place to which a reader may go back. */
  #kept: number | null = null;
  #isEnded = false;
  #isCut = false;
  #hasRunOut = false;

  /** Characters taken so far. */
  get place(): number {
    return this.#place;
  }

  /** Whether nothing more comes and all is taken. */
  get isOver(): boolean {
    return this.#isEnded && this.#rest === "";
  }

  /** Whether more was wanted than there is, since the last trial began. */
  get hasRunOut(): boolean {
    return this.#hasRunOut;
  }

  /** Up to where all is certain. */
  get settledPlace(): number {
    return this.#kept ?? this.#place;
  }

  get #rest(): string {
    return this.#text.slice(this.#place - this.#base);
  }

  /** What has come and is not taken. */
  get ready(): string {
    return this.#rest;
  }

  feed(text: string): void {
    const from = this.#kept ?? this.#place;
    this.#text = this.#text.slice(from - this.#base) + text;
    this.#base = from;
  }

  /**
   * No more text comes.
   *
   * @param isCut Whether it might have gone on: then a beginning of a mark is no text.
   */
  end(isCut: boolean): void {
    this.#isEnded = true;
    this.#isCut = isCut;
  }

  /** Remembers this place until {@link keep} or {@link goBack}. */
  tryFromHere(): void {
    this.#kept = this.#place;
    this.#hasRunOut = false;
  }

  /** What was tried is what it is. */
  keep(): void {
    this.#kept = null;
  }

  /** What was tried is something else. */
  goBack(): void {
    this.#place = this.#kept ?? this.#place;
    this.#kept = null;
  }

  /** Takes characters that are known to be there. */
  take(length: number): string {
    const text = this.#rest.slice(0, length);
    this.#place += text.length;
    return text;
  }

  /** Waits for `length` characters and shows them; fewer only at the end. */
  *peek(length: number): Reading<string> {
    while (this.#rest.length < length && !this.#isEnded) yield MORE;
    if (this.#rest.length < length) this.#hasRunOut = true;
    return this.#rest.slice(0, length);
  }

  /** Takes `wanted` if it is next. */
  *accept(wanted: string): Reading<boolean> {
    for (let length = 1; length <= wanted.length; length++) {
      if ((yield* this.peek(length)) !== wanted.slice(0, length)) return false;
    }
    this.#place += wanted.length;
    return true;
  }

  /** Takes the first of the texts that is next. */
  *acceptOne(wanted: readonly string[]): Reading<string | null> {
    for (const text of wanted) if (yield* this.accept(text)) return text;
    return null;
  }

  /** Takes a mark behind a call; one that the end of the answer cuts off counts too. */
  *acceptEnd(mark: string): Reading<boolean> {
    if (yield* this.accept(mark)) return true;
    const rest = this.#rest;
    if (!this.#isEnded || rest === "" || !mark.startsWith(rest)) return false;
    this.take(Infinity);
    return true;
  }

  /** Takes white space. */
  *space(): Reading {
    while (/^\s/.test(yield* this.peek(1))) this.#place++;
  }

  /**
   * Says all text before the first of the marks, as soon as it is sure to be before one, and takes
   * the mark. Null at the end.
   */
  *until(marks: readonly string[], say: Say): Reading<string | null> {
    while (true) {
      const rest = this.#rest;
      const found = findFirst(rest, marks);
      const held = this.#isEnded && !this.#isCut
        ? 0
        : Math.max(0, ...marks.map((mark) => overlap(rest, mark)));
      const length = found?.at ?? rest.length - held;
      if (length > 0) yield* say(this.take(length));
      if (found) {
        this.#place += found.mark.length;
        return found.mark;
      }
      if (this.#isEnded) {
        this.take(Infinity);
        return null;
      }
      yield MORE;
    }
  }

  /** Takes all up to the first of the marks, and the mark. Null if the text ends before it. */
  *collect(marks: readonly string[]): Reading<{ text: string; mark: string } | null> {
    while (true) {
      const found = findFirst(this.#rest, marks);
      if (found) {
        const text = this.take(found.at);
        this.#place += found.mark.length;
        return { text, mark: found.mark };
      }
      if (this.#isEnded) {
        this.#hasRunOut = true;
        this.take(Infinity);
        return null;
      }
      yield MORE;
    }
  }

  /** Steps back before a mark that was taken. */
  putBack(mark: string): void {
    this.#place -= mark.length;
  }
}
