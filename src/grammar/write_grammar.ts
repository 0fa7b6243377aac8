/**
 * Grammars in the notation of the grammar library (xgrammar's EBNF).
 *
 * @module
 */

import type { Expression } from "./expression.ts";

const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/**
 * A character that the library writes by its code, before what it would read as a digit of that
 * code: it reads its own notation again when it compiles.
 */
const BEFORE_DIGIT = /(?<=[^\x20-\x7e])(?=[0-9A-Fa-f])/u;

/** Texts in quotes, one behind the other. Characters that can stand as they are do. */
function writeText(value: string): string[] {
  return value.split(BEFORE_DIGIT).map((part) =>
    `"${part.replaceAll(/["\\\n\r\t]/g, (character) => ESCAPES[character])}"`
  );
}

/** A single byte is written twice: the library takes one alone for a character. */
function writeBytes({ ranges }: Extract<Expression, { kind: "bytes" }>): string {
  const parts = ranges.map(([first, last]) =>
    first === last ? hex(first) + hex(first) : `${hex(first)}-${hex(last)}`
  );
  return `[${parts.join("")}]`;
}

function quantifier(min: number, max: number | null): string {
  if (min === 0 && max === 1) return "?";
  if (max === null && min < 2) return min === 0 ? "*" : "+";
  return max === min ? `{${min}}` : `{${min},${max ?? ""}}`;
}

function write(part: Expression, isNested: boolean): string {
  switch (part.kind) {
    case "text": {
      const texts = writeText(part.text);
      return isNested && texts.length > 1 ? `(${texts.join(" ")})` : texts.join(" ");
    }
    case "bytes":
      return writeBytes(part);
    case "rule":
      return part.name;
    case "sequence": {
      const parts = part.parts.map((each) => write(each, true)).join(" ");
      return isNested ? `(${parts})` : parts;
    }
    case "choice": {
      const parts = part.parts.map((each) => write(each, each.kind === "choice")).join(" | ");
      return isNested ? `(${parts})` : parts;
    }
    case "repeat": {
      const inner = write(part.part, true);
      const body = part.part.kind === "repeat" ? `(${inner})` : inner;
      return body + quantifier(part.min, part.max);
    }
  }
}

/**
 * Writes rules, one a line.
 *
 * @param rules Bodies by name; none of them matches nothing.
 */
export function writeRules(rules: ReadonlyMap<string, Expression>): string {
  return [...rules].map(([name, body]) => `${name} ::= ${write(body, false)}\n`).join("");
}
