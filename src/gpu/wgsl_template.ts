/**
 * Textual repetition in WGSL: the compiler neither unrolls loops nor keeps an array in registers,
 * so kernels that need either are written once and repeated here, with named scalars.
 *
 * A line that holds `$x` stands for one line per value `0 … n-1` of the marker `x`. Lines between
 * `//: repeat x` and `//: end` are repeated together. Markers are single lower-case letters. Lines
 * between `//: if name` and `//: else` or `//: end` stand where `name` counts 1, those behind
 * `//: else` where it counts 0.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";

const REPEAT_LINE = /^\s*\/\/: repeat ([a-z])$/;
const IF_LINE = /^\s*\/\/: if (\w+)$/;
const ELSE_LINE = /^\s*\/\/: else$/;
const END_LINE = /^\s*\/\/: end$/;
const MARKER = /\$([a-z])/;

/**
 * Expands the markers of a WGSL source.
 *
 * @param source WGSL with markers.
 * @param counts How often each marker's lines are repeated; 0 removes them.
 */
export function expandTemplate(source: string, counts: Readonly<Record<string, number>>): string {
  const lines: string[] = [];
  const pending = source.split("\n");
  while (pending.length > 0) {
    const line = pending.shift()!;
    const repeat = REPEAT_LINE.exec(line);
    if (repeat) {
      const body = takeBlock(pending);
      for (let i = repeatCount(counts, repeat[1]) - 1; i >= 0; i--) {
        pending.unshift(...body.map((inner) => inner.replaceAll(`$${repeat[1]}`, String(i))));
      }
      continue;
    }
    const condition = IF_LINE.exec(line);
    if (condition) {
      const { body, otherwise } = splitBlock(takeBlock(pending));
      pending.unshift(...(repeatCount(counts, condition[1]) > 0 ? body : otherwise));
      continue;
    }
    const marker = MARKER.exec(line);
    if (!marker || line.trimStart().startsWith("//")) {
      lines.push(line);
      continue;
    }
    for (let i = repeatCount(counts, marker[1]) - 1; i >= 0; i--) {
      pending.unshift(line.replaceAll(marker[0], String(i)));
    }
  }
  return lines.join("\n");
}

/** Lines `const NAME: u32 = value;` to append: known to the compiler early, unlike `override`. */
export function constantLines(values: Readonly<Record<string, number>>): string {
  return Object.entries(values).map(([name, value]) => {
    invariant(Number.isInteger(value) && value >= 0, `${name} is a whole number`);
    return `const ${name}: u32 = ${value}u;\n`;
  }).join("");
}

function takeBlock(pending: string[]): string[] {
  const body: string[] = [];
  for (let depth = 1;;) {
    const line = pending.shift();
    invariant(line !== undefined, "every repeated block has an end");
    if (REPEAT_LINE.test(line) || IF_LINE.test(line)) depth++;
    if (END_LINE.test(line)) depth--;
    if (depth === 0) return body;
    body.push(line);
  }
}

/** Parts of a conditional block before and behind its own `//: else`. */
function splitBlock(lines: readonly string[]): { body: string[]; otherwise: string[] } {
  let depth = 0;
  const place = lines.findIndex((line) => {
    if (REPEAT_LINE.test(line) || IF_LINE.test(line)) depth++;
    if (END_LINE.test(line)) depth--;
    return depth === 0 && ELSE_LINE.test(line);
  });
  const end = place < 0 ? lines.length : place;
  return { body: lines.slice(0, end), otherwise: lines.slice(end + 1) };
}

function repeatCount(counts: Readonly<Record<string, number>>, marker: string): number {
  const count = counts[marker];
  invariant(count !== undefined, `marker $${marker} has a count`);
  return count;
}
