/**
 * Textual repetition in WGSL: the compiler neither unrolls loops nor keeps an array in registers,
 * so kernels that need either are written once and repeated here, with named scalars.
 *
 * A statement in a line, or in lines of which all but the last end with an operator or in brackets,
 * that holds `${x}` stands for one per value `0 … n-1` of the marker `x`. Lines between
 * `//: repeat x` and `//: end` are repeated together, in brackets too: the items of a list. Lines
 * between `//: if name` and `//: else` or `//: end` stand where `name` counts 1, those behind
 * `//: else` where it counts 0.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { withoutComments } from "./wgsl_declarations.ts";
import { fileOf, GENERATED_LINE, numbered } from "./wgsl_origin.ts";

const REPEAT_LINE = /^\s*\/\/: repeat (\w+)$/;
const IF_LINE = /^\s*\/\/: if (\w+)$/;
const ELSE_LINE = /^\s*\/\/: else$/;
const END_LINE = /^\s*\/\/: end$/;
const MARKER = /\$\{(\w+)\}/;

/** Expansions of a source that are kept: those of a model on one adapter are fewer. */
const KEPT_COUNT_MAX = 64;

/** By source, then by counts: kernels that differ in constants alone are of the same parts. */
const expanded = new Map<string, Map<string, string>>();

/** A line, or a statement of several, with its number in its file; 0 if that names none. */
interface Line {
  text: string;
  number: number;
}

/**
 * Expands the markers of a WGSL source. Where the source names its file, the lines keep their
 * numbers: see `wgsl_origin.ts`.
 *
 * @param source WGSL with markers.
 * @param counts How often each marker's lines are repeated; 0 removes them.
 */
export function expandTemplate(source: string, counts: Readonly<Record<string, number>>): string {
  let known = expanded.get(source);
  if (known === undefined) expanded.set(source, known = new Map());
  const key = JSON.stringify(counts);
  let text = known.get(key);
  if (text === undefined) {
    if (known.size === KEPT_COUNT_MAX) known.clear();
    known.set(key, text = expand(source, counts));
  }
  return text;
}

function expand(source: string, counts: Readonly<Record<string, number>>): string {
  const lines: string[] = [];
  const pending = numberedLines(source).reverse();
  while (pending.length > 0) {
    const line = pending.pop()!;
    if (opensBlock(line, pending, counts)) continue;
    while (isUnfinished(line.text) && pending.length > 0) {
      const next = pending.pop()!;
      if (!opensBlock(next, pending, counts)) line.text += `\n${next.text}`;
    }
    const marker = line.text.includes("${") ? MARKER.exec(line.text) : null;
    if (!marker || line.text.trimStart().startsWith("//")) {
      lines.push(line.number > 0 ? numbered(line.text, line.number) : line.text);
      continue;
    }
    for (let i = repeatCount(counts, marker[1]) - 1; i >= 0; i--) {
      pending.push(withMarker(line, marker[1], i));
    }
  }
  return lines.join("\n");
}

/**
 * Whether a line begins a block; if so, what stands for the block is now the first that pends.
 *
 * @param pending Lines to come, the next one last.
 */
function opensBlock(
  { text }: Line,
  pending: Line[],
  counts: Readonly<Record<string, number>>,
): boolean {
  if (!mayDirect(text)) return false;
  const repeat = REPEAT_LINE.exec(text);
  if (repeat) {
    const body = takeBlock(pending);
    for (let i = repeatCount(counts, repeat[1]) - 1; i >= 0; i--) {
      pushAll(pending, body.map((inner) => withMarker(inner, repeat[1], i)));
    }
    return true;
  }
  const condition = IF_LINE.exec(text);
  if (condition === null) return false;
  const { body, otherwise } = splitBlock(takeBlock(pending));
  pushAll(pending, repeatCount(counts, condition[1]) > 0 ? body : otherwise);
  return true;
}

/** Makes lines the next ones, in their order. */
function pushAll(pending: Line[], lines: readonly Line[]): void {
  for (let i = lines.length - 1; i >= 0; i--) pending.push(lines[i]);
}

/** Whether a line can be a directive: most lines are none, and no pattern has to look at them. */
function mayDirect(text: string): boolean {
  return text.includes("//: ");
}

function numberedLines(source: string): Line[] {
  let start = -1;
  return source.split("\n").map((text, index) => {
    if (fileOf(text) !== null) start = index;
    return { text, number: start < 0 ? 0 : index - start + 1 };
  });
}

function withMarker({ text, number }: Line, marker: string, value: number): Line {
  return text.includes("${")
    ? { text: text.replaceAll(`\${${marker}}`, String(value)), number }
    : { text, number };
}

/** Lines `const NAME: u32 = value;` to append: known to the compiler early, unlike `override`. */
export function constantLines(values: Readonly<Record<string, number>>): string {
  return Object.entries(values).map(([name, value]) => {
    invariant(Number.isInteger(value) && value >= 0, `${name} is a whole number`);
    return `const ${name}: u32 = ${value}u;\n`;
  }).join("");
}

/** The same as a part of its own, to be appended to parts that come from files. */
export function constantsPart(values: Readonly<Record<string, number>>): string {
  return GENERATED_LINE + constantLines(values);
}

function takeBlock(pending: Line[]): Line[] {
  const body: Line[] = [];
  for (let depth = 1;;) {
    const line = pending.pop();
    invariant(line !== undefined, "every repeated block has an end");
    body.push(line);
    if (!mayDirect(line.text)) continue;
    if (REPEAT_LINE.test(line.text) || IF_LINE.test(line.text)) depth++;
    if (END_LINE.test(line.text)) depth--;
    if (depth === 0) return body.slice(0, -1);
  }
}

/** Whether a statement goes on in the next line. */
function isUnfinished(statement: string): boolean {
  const code = (statement.includes("//") ? withoutComments(statement) : statement).trimEnd();
  return "-=+*/&|<".includes(code.at(-1) ?? ";") || countOf("(", code) > countOf(")", code);
}

function countOf(char: string, text: string): number {
  let count = 0;
  for (let i = text.indexOf(char); i >= 0; i = text.indexOf(char, i + 1)) count++;
  return count;
}

/** Parts of a conditional block before and behind its own `//: else`. */
function splitBlock(lines: readonly Line[]): { body: Line[]; otherwise: Line[] } {
  let depth = 0;
  const place = lines.findIndex(({ text }) => {
    if (REPEAT_LINE.test(text) || IF_LINE.test(text)) depth++;
    if (END_LINE.test(text)) depth--;
    return depth === 0 && ELSE_LINE.test(text);
  });
  const end = place < 0 ? lines.length : place;
  return { body: lines.slice(0, end), otherwise: lines.slice(end + 1) };
}

function repeatCount(counts: Readonly<Record<string, number>>, marker: string): number {
  const count = counts[marker];
  invariant(count !== undefined, `marker ${marker} has a count`);
  return count;
}
