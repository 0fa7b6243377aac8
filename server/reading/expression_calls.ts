/**
 * Reads calls that are expressions: Python's in a list, and Gemma's.
 *
 * @module
 */

import type { ExpressionForm } from "./call_form.ts";
import type { CallLog } from "./call_log.ts";
import { FUNCTION_NAME } from "./json_calls.ts";
import type { Reading } from "./parts.ts";
import type { Scanner } from "./scanner.ts";

/** What may stand for a value by its name. */
const WORDS: Readonly<Record<string, unknown>> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
};

/** Gemma's quotation mark. */
const GEMMA_QUOTE = '<|"|>';

const ESCAPES: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  "\\": "\\",
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
};

/** A text that is no expression. */
class NoExpression extends Error {}

/** Reads the expressions of a whole text. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isOver(): boolean {
    this.#space();
    return this.#at >= this.#text.length;
  }

  accept(wanted: string): boolean {
    this.#space();
    if (!this.#text.startsWith(wanted, this.#at)) return false;
    this.#at += wanted.length;
    return true;
  }

  expect(wanted: string): void {
    if (!this.accept(wanted)) throw new NoExpression();
  }

  match(pattern: RegExp): string {
    this.#space();
    const found = pattern.exec(this.#text.slice(this.#at));
    if (found === null || found.index > 0) throw new NoExpression();
    this.#at += found[0].length;
    return found[0];
  }

  /** Members up to `end`, each a name, `sign` and a value. */
  members(sign: string, end: string): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    while (!this.accept(end)) {
      const key = this.#string() ?? this.match(/[^\s:=,{}()]+/);
      this.expect(sign);
      members[key] = this.value();
      if (!this.accept(",")) {
        this.expect(end);
        break;
      }
    }
    return members;
  }

  value(): unknown {
    const string = this.#string();
    if (string !== null) return string;
    if (this.accept("{")) return this.members(":", "}");
    if (this.accept("[")) return this.#list("]");
    if (this.accept("(")) return this.#list(")");
    const word = this.match(/[\w.+-]+/);
    if (word in WORDS) return WORDS[word];
    if (word.trim() === "" || Number.isNaN(Number(word))) throw new NoExpression();
    return Number(word);
  }

  #list(end: string): unknown[] {
    const items: unknown[] = [];
    while (!this.accept(end)) {
      items.push(this.value());
      if (!this.accept(",")) {
        this.expect(end);
        break;
      }
    }
    return items;
  }

  #string(): string | null {
    if (this.accept(GEMMA_QUOTE)) {
      const end = this.#text.indexOf(GEMMA_QUOTE, this.#at);
      if (end < 0) throw new NoExpression();
      const text = this.#text.slice(this.#at, end);
      this.#at = end + GEMMA_QUOTE.length;
      return text;
    }
    const quote = ["'", '"'].find((each) => this.accept(each));
    if (quote === undefined) return null;
    let text = "";
    while (this.#text[this.#at] !== quote) {
      let character = this.#text[this.#at++];
      if (character === undefined) throw new NoExpression();
      if (character === "\\") character = this.#escape();
      text += character;
    }
    this.#at++;
    return text;
  }

  #escape(): string {
    const letter = this.#text[this.#at++];
    const digits = { x: 2, u: 4, U: 8 }[letter];
    // As in Python, a backslash that begins nothing stands for itself.
    if (digits === undefined) return ESCAPES[letter] ?? `\\${letter}`;
    const code = parseInt(this.#text.slice(this.#at, this.#at + digits), 16);
    if (!(code <= 0x10ffff)) throw new NoExpression();
    this.#at += digits;
    return String.fromCodePoint(code);
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}

/** The value of a Python expression; undefined if it is none. */
export function parseExpression(text: string): unknown {
  const parser = new Parser(text);
  try {
    const value = parser.value();
    return parser.isOver ? value : undefined;
  } catch (error) {
    if (error instanceof NoExpression) return undefined;
    throw error;
  }
}

type Call = [name: string, args: Record<string, unknown>];

function parseCalls(text: string, kind: ExpressionForm["kind"]): Call[] | null {
  const parser = new Parser(text);
  const calls: Call[] = [];
  const [open, sign, close] = kind === "gemma" ? ["{", ":", "}"] : ["(", "=", ")"];
  try {
    if (kind === "python") parser.expect("[");
    while (!parser.isOver && !parser.accept("]")) {
      const name = parser.match(/[\w.-]+/);
      if (!FUNCTION_NAME.test(name)) return null;
      parser.expect(open);
      calls.push([name, parser.members(sign, close)]);
      parser.accept(",");
    }
  } catch (error) {
    if (error instanceof NoExpression) return null;
    throw error;
  }
  return calls.length === 0 ? null : calls;
}

/** Reads what stands behind the mark of a form. False if it is no call. */
export function* readExpressionCalls(
  scanner: Scanner,
  { kind, end }: ExpressionForm,
  calls: CallLog,
): Reading<boolean> {
  const found = yield* scanner.collect([end]);
  const read = found && parseCalls(found.text, kind);
  if (!read) return false;
  scanner.keep();
  for (const [name, args] of read) {
    yield calls.begin(name);
    yield* calls.say(JSON.stringify(args));
  }
  return true;
}
