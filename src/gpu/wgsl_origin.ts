/**
 * Where a line of a WGSL text comes from. Each shader begins with a line that names its file, which
 * stays in the texts it becomes a part of, and {@link expandTemplate} ends the lines it moves with
 * their number in the file.
 *
 * @module
 */

const FILE_LINE = /^\/\/: file (\S+)$/;
const GENERATED = "generated";
const NUMBERED_LINE = / \/\/: (\d+)$/;

/** Begins a part of a text that comes from no file. */
export const GENERATED_LINE = `//: file ${GENERATED}\n`;

/** The file that a line names, null if it names none. */
export function fileOf(line: string): string | null {
  return FILE_LINE.exec(line)?.[1] ?? null;
}

/** A line with its number in its file, for {@link originOf}; only what a compiler may name. */
export function numbered(line: string, number: number): string {
  return line.trim() === "" || line.trimStart().startsWith("//") ? line : `${line} //: ${number}`;
}

/** File and line of line `number` of a text, both counted from 1; null in generated parts. */
export function originOf(code: string, number: number): string | null {
  const lines = code.split("\n");
  const start = lines.slice(0, number).findLastIndex((line) => fileOf(line) !== null);
  const file = start < 0 ? null : fileOf(lines[start]);
  if (file === null || file === GENERATED) return null;
  const behind = lines.slice(start + 1).findIndex((line) => fileOf(line) !== null);
  const part = lines.slice(start, behind < 0 ? lines.length : start + 1 + behind);
  if (!part.some((line) => NUMBERED_LINE.test(line))) return `${file}:${number - start}`;
  // Of a statement of several lines, the last has the number of its first.
  const own = part.slice(number - 1 - start).find((line) => NUMBERED_LINE.test(line));
  return own === undefined ? null : `${file}:${NUMBERED_LINE.exec(own)![1]}`;
}

/** A compiler's message, with the file and line of the first place in the text that it names. */
export function withOrigin(message: string, code: string): string {
  const place = /wgsl:(\d+):\d+/.exec(message);
  const origin = place === null ? null : originOf(code, Number(place[1]));
  return origin === null ? message : `${message.trimEnd()}\n  at ${origin}`;
}
