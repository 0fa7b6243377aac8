/**
 * Reads the text of an answer as it comes: thoughts, text for the user, and calls.
 *
 * @module
 */

import type { CallForm, HeaderForm, TaggedForm } from "./call_form.ts";
import { CallLog, type KnownFunction } from "./call_log.ts";
import { readExpressionCalls } from "./expression_calls.ts";
import { readJsonCalls, readNamedCall } from "./json_calls.ts";
import { readValue } from "./json_value.ts";
import { MORE, type Part, type Reading, type SizedPart } from "./parts.ts";
import type { ReasoningForm } from "./reasoning_forms.ts";
import { Scanner } from "./scanner.ts";
import { readTaggedCall } from "./tagged_calls.ts";

/** How an answer is read. */
export interface ReadingPlan {
  /** The form of its calls; null if there can be none. */
  calls: CallForm | null;
  functions: readonly KnownFunction[];
  /** The marks of its thoughts; null if there are none. */
  reasoning: ReasoningForm | null;
  /** Whether it begins within thoughts. */
  beginsInReasoning: boolean;
  /** Characters of ids of calls; null for any. */
  idLength: number | null;
}

/** Marks whose text is wanted also if they are control tokens. */
export function marksOf({ calls, reasoning }: ReadingPlan): string {
  return JSON.stringify([calls, reasoning]);
}

/** Behind which marks a call of a form begins. */
function beginsOf(form: CallForm | null): string[] {
  if (form === null || form.kind === "headers" || form.begin === null) return [];
  return [form.begin];
}

/** Marks beside calls and thoughts that are nobody's text. */
function aroundOf(form: CallForm | TaggedForm | null): readonly string[] {
  if (form === null) return [];
  if (form.kind === "tagged") return form.around;
  if (form.kind === "named") return [form.open, form.close].filter((mark) => mark !== "");
  return [];
}

/** Reads one answer. */
export class AnswerReader {
  readonly #scanner = new Scanner();
  readonly #plan: ReadingPlan;
  readonly #calls: CallLog;
  readonly #reading: Reading;
  /** Whether space before text is dropped. */
  #trims = false;
  /** Place up to which pieces were given. */
  #givenPlace = 0;
  #isCut = false;
  #isReasoning: boolean;

  constructor(plan: ReadingPlan) {
    this.#plan = plan;
    this.#calls = new CallLog(plan.functions, plan.idLength);
    this.#isReasoning = plan.beginsInReasoning;
    this.#reading = plan.calls?.kind === "headers"
      ? this.#readMessages(plan.calls)
      : this.#readAnswer();
  }

  /** Whether what comes next are thoughts. */
  get isReasoning(): boolean {
    return this.#isReasoning;
  }

  push(text: string): SizedPart[] {
    this.#scanner.feed(text);
    return this.#drain();
  }

  /**
   * What is left when the answer ends. The beginning of a call that did not become one is markup;
   * where the model itself ended, what only looks like the beginning of a mark is text.
   *
   * @param isCut Whether the answer ends by a limit.
   */
  flush(isCut: boolean): SizedPart[] {
    this.#isCut = isCut;
    this.#scanner.end(isCut);
    return this.#drain();
  }

  #drain(): SizedPart[] {
    const parts: SizedPart[] = [];
    while (true) {
      const { value, done } = this.#reading.next();
      if (done || value === MORE) break;
      const length = this.#scanner.place - this.#givenPlace;
      this.#givenPlace = this.#scanner.place;
      const isText = value.type === "content" || value.type === "reasoning";
      const before = isText ? length - value.text.length : 0;
      if (before > 0) parts.push({ type: "markup", length: before });
      if (!("text" in value) || value.text !== "") {
        parts.push({ ...value, length: length - before });
      } else if (length > before) parts.push({ type: "markup", length: length - before });
    }
    const length = this.#scanner.settledPlace - this.#givenPlace;
    if (length > 0) {
      parts.push({ type: "markup", length });
      this.#givenPlace += length;
    }
    return parts;
  }

  readonly #content = function* (this: AnswerReader, text: string): Generator<Part> {
    const kept = this.#trims ? text.trimStart() : text;
    if (kept === "") return;
    this.#trims = false;
    yield { type: "content", text: kept };
  }.bind(this);

  /** Thoughts up to one of the marks, without space around them. */
  *#readReasoning(ends: readonly string[]): Reading {
    this.#isReasoning = true;
    let hasBegun = false;
    let space = "";
    yield* this.#scanner.until(ends, function* (text) {
      const whole = space + (hasBegun ? text : text.trimStart());
      const kept = whole.trimEnd();
      space = whole.slice(kept.length);
      if (kept === "") return;
      hasBegun = true;
      yield { type: "reasoning", text: kept };
    });
    this.#isReasoning = false;
    this.#trims = true;
  }

  *#readAnswer(): Reading {
    const { calls, reasoning, beginsInReasoning } = this.#plan;
    const scanner = this.#scanner;
    if (reasoning !== null) {
      if (beginsInReasoning) yield* this.#readReasoning([reasoning.close]);
      else {
        scanner.tryFromHere();
        yield* scanner.space();
        const isOpen = yield* scanner.accept(reasoning.open);
        if (isOpen) scanner.keep();
        else if (scanner.hasRunOut && this.#isCut) return;
        else scanner.goBack();
        if (isOpen) yield* this.#readReasoning([reasoning.close]);
      }
    }
    if (calls !== null && calls.kind === "json" && calls.begin === null) {
      if (yield* this.#tryCall(calls, "")) this.#trims = true;
    }
    if (calls?.name === "functionary-3.2") yield* this.#readRecipient(calls);
    yield* this.#readText();
  }

  /** Text and calls up to the end. */
  *#readText(): Reading {
    const { calls, reasoning } = this.#plan;
    const scanner = this.#scanner;
    const begins = beginsOf(calls);
    const around = [...aroundOf(calls), ...reasoning?.around ?? []];
    const opens = reasoning?.isRepeated ? [reasoning.open] : [];
    const marks = [...begins, ...around, ...opens];
    if (reasoning !== null && !reasoning.isRepeated) marks.push(reasoning.close);
    while (true) {
      const mark = yield* scanner.until(marks, this.#content);
      if (mark === null) return;
      if (opens.includes(mark)) yield* this.#readReasoning([reasoning!.close]);
      else if (begins.includes(mark)) yield* this.#tryCall(calls!, mark);
      else this.#trims = true;
    }
  }

  /** Reads calls, or gives the mark as text if there are none. Whether there were some. */
  *#tryCall(form: CallForm, mark: string): Reading<boolean> {
    const scanner = this.#scanner;
    scanner.putBack(mark);
    scanner.tryFromHere();
    scanner.take(mark.length);
    if (yield* this.#readCalls(form)) {
      this.#trims = true;
      return true;
    }
    // A call that is not complete before its arguments is markup; text without a mark may be text.
    if (scanner.hasRunOut && (mark !== "" || this.#isCut)) {
      scanner.take(Infinity);
      scanner.keep();
      return false;
    }
    scanner.goBack();
    yield* this.#content(scanner.take(mark.length));
    return false;
  }

  #readCalls(form: CallForm): Reading<boolean> {
    switch (form.kind) {
      case "json":
        return readJsonCalls(this.#scanner, form, this.#calls);
      case "named":
        return readNamedCall(this.#scanner, form, this.#calls);
      case "tagged":
        return readTaggedCall(this.#scanner, form, this.#calls);
      case "python":
      case "gemma":
        return readExpressionCalls(this.#scanner, form, this.#calls);
      case "headers":
        throw new TypeError("Cannot read a call: its header says what a message is");
    }
  }

  /** A first line that says to whom the answer is, which the prompt has begun. */
  *#readRecipient(form: CallForm): Reading {
    this.#scanner.tryFromHere();
    if (yield* this.#scanner.accept("all\n")) return this.#scanner.keep();
    this.#scanner.goBack();
    yield* this.#tryCall(form, "");
  }

  /** Messages, each with a header; the prompt has begun the first. */
  *#readMessages(form: HeaderForm): Reading {
    const scanner = this.#scanner;
    const { behindHeader, ends, start, body } = form;
    while (!scanner.isOver) {
      const header = yield* scanner.collect([behindHeader]);
      if (header === null) return;
      const name = form.call.exec(header.text)?.[1];
      if (name !== undefined) {
        yield this.#calls.begin(name);
        yield* scanner.space();
        yield* readValue(scanner, this.#calls.say);
      } else if (form.reasoning.test(header.text)) {
        yield* this.#readReasoning(ends);
      } else if (body !== null) yield* this.#readBody(form, body);
      else yield* scanner.until(ends, this.#content);
      if (name !== undefined) yield* scanner.acceptOne(ends);
      yield* scanner.space();
      yield* scanner.accept(start);
    }
  }

  /** A message with calls in marks, or text. */
  *#readBody(form: HeaderForm, body: TaggedForm): Reading {
    const around = aroundOf(body);
    const marks = [body.begin, ...around, ...form.ends];
    while (true) {
      const mark = yield* this.#scanner.until(marks, this.#content);
      if (mark === null || form.ends.includes(mark)) return;
      if (mark === body.begin) yield* readTaggedCall(this.#scanner, body, this.#calls);
      this.#trims = true;
    }
  }
}
