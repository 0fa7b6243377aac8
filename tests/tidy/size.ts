/** How long files, functions and lines may be, and what files may be called. */

import { pathsLike, type Sources } from "./sources.ts";

const FILE_LINE_COUNT_MAX = 400;
const FUNCTION_LINE_COUNT_MAX = 70;
// A kernel's phases share locals, which WGSL can only hand on by copying or by private variables.
const KERNEL_LINE_COUNT_MAX = 150;
const COLUMN_COUNT_MAX = 100;
// The name of a test states its claim in one string, which the formatter keeps on one line.
const TEST_NAME = /^\s*(Deno\.test|await t\.step)\(\s*["'`]/;
const NO_FUNCTION =
  /^\s*(export\s+)?(default\s+)?(abstract\s+)?(class|interface|enum|struct|type)\b/;
const OBJECT_OPENING = /([=:([,?]|\breturn|\bsatisfies .*|=> \(|^\s*)\s*\{$/;

/** Files, functions and lines that are too long. */
export function sizeViolations(sources: Sources): string[] {
  return pathsLike(sources, /(\.(ts|wgsl|mjs)|^packkv|\/run)$/).flatMap((path) => {
    const lines = sources.get(path)!.split("\n");
    const lineCount = lines.at(-1) === "" ? lines.length - 1 : lines.length;
    return [
      ...(lineCount > FILE_LINE_COUNT_MAX
        ? [`${path}: ${lineCount} lines: split files above ${FILE_LINE_COUNT_MAX} by subject`]
        : []),
      ...longLines(path, lines),
      ...longFunctions(path, lines),
    ];
  });
}

function longLines(path: string, lines: readonly string[]): string[] {
  return lines.flatMap((line, index) => {
    const columnCount = [...line].length;
    if (columnCount <= COLUMN_COUNT_MAX || TEST_NAME.test(line)) return [];
    return [`${path}:${index + 1}: ${columnCount} columns: at most ${COLUMN_COUNT_MAX}`];
  });
}

/**
 * Relies on the formatter: a block ends at the next line of the same indentation that begins with a
 * closing brace. A block inside a function is never longer than the function, so only what cannot
 * be in one (a class, a type, an object) is left out.
 */
function longFunctions(path: string, lines: readonly string[]): string[] {
  const found: string[] = [];
  const lineCountMax = path.endsWith(".wgsl") ? KERNEL_LINE_COUNT_MAX : FUNCTION_LINE_COUNT_MAX;
  let countedUntil = -1;
  for (let index = 0; index < lines.length; index++) {
    if (index <= countedUntil || !opensFunction(lines, index)) continue;
    const begin = headOf(lines, index);
    const end = endOf(lines, index);
    if (end - begin + 1 <= lineCountMax) continue;
    countedUntil = end;
    const name = lines[begin].trim();
    const lineCount = end - begin + 1;
    found.push(
      `${path}:${begin + 1}: ${lineCount} lines in "${name}": at most ${lineCountMax}`,
    );
  }
  return found;
}

function opensFunction(lines: readonly string[], index: number): boolean {
  const line = lines[index];
  if (!line.endsWith("{") || /^\s*(\*|\/\/)/.test(line)) return false;
  if (OBJECT_OPENING.test(line)) return false;
  return !NO_FUNCTION.test(lines[headOf(lines, index)]);
}

/** First line of a head that ends at `index`, such as that of parameters a line each. */
function headOf(lines: readonly string[], index: number): number {
  const indent = indentOf(lines[index]);
  if (!/^\s*[)}>\]]/.test(lines[index])) return index;
  for (let begin = index - 1; begin >= 0; begin--) {
    const isHead = lines[begin].trim() !== "" && indentOf(lines[begin]) <= indent;
    if (isHead && !/^\s*[)}>\]]/.test(lines[begin])) return begin;
  }
  return index;
}

function endOf(lines: readonly string[], index: number): number {
  const indent = indentOf(lines[index]);
  for (let end = index + 1; end < lines.length; end++) {
    if (indentOf(lines[end]) === indent && lines[end].trimStart().startsWith("}")) return end;
  }
  return index;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Source files whose names are not `snake_case`. */
export function nameViolations(sources: Sources): string[] {
  return pathsLike(sources, /^(src|server|shaders|tests|bench)\/.*\.(ts|wgsl|mjs)$/)
    .filter((path) => !/^[a-z0-9_/]+\.(ts|wgsl|mjs)$/.test(path))
    .map((path) => `${path}: source files are named in snake_case`);
}

const FOLDER_SHARE_MAX = 1 / 4;

/** Folders of `src/` that hold more than a quarter of its lines. */
export function folderViolations(sources: Sources): string[] {
  const lineCounts = new Map<string, number>();
  let total = 0;
  for (const path of pathsLike(sources, /^src\/[^/]+\/.*\.ts$/)) {
    const [, folder] = path.split("/");
    const lineCount = sources.get(path)!.split("\n").length - 1;
    lineCounts.set(folder, (lineCounts.get(folder) ?? 0) + lineCount);
    total += lineCount;
  }
  return [...lineCounts].filter(([, lineCount]) => lineCount > total * FOLDER_SHARE_MAX)
    .map(([folder, lineCount]) => {
      return `src/${folder}: ${lineCount} of ${total} lines: at most a quarter in a folder`;
    });
}
