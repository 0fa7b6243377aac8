/** Files that comments and documents cite, and sections of them. */

import { posix } from "node:path";
import { pathsLike, type Sources } from "./sources.ts";

/** A Markdown file, and sections of it such as "11.2", "3 and 4", "3, 4.1 and 6". */
const CITED =
  /\b([\w./-]*\w\.md)\b(?:`?,?\s+sections?\s+(\d[\d.]*(?:(?:,| and|,? to)\s+\d[\d.]*)*))?/g;
/** A source file with its folder; names of no file are written with a capital, as `S.ts`. */
const SOURCE =
  /(?<![\w./$-])((?:src|server|shaders|tests|bench)\/[a-z0-9_./-]+\.(?:ts|wgsl|mjs|md))\b/g;
/** A source file by its name, or by the end of its path. */
const NAMED = /(?<![\w./*$<>{}-])([a-z0-9_][a-z0-9_/.]*\.(?:ts|wgsl|mjs))\b/g;
const DECISION = /\b(?:src\/)?decisions\/(\d\d)\b/g;
const COMMENT = /^\s*(\/\/|\/?\*)/;

/** Files and sections that are cited and are not there. */
export function citationViolations(sources: Sources): string[] {
  return pathsLike(sources, /^(?!tests\/(tidy|setup)\/).*\.(ts|wgsl|md)$/)
    .filter((path) => path !== "CHANGELOG.md")
    .flatMap((path) => {
      const text = citingText(path, sources.get(path)!);
      return [...missingFiles(sources, path, text), ...missingSections(sources, path, text)]
        .map((reason) => `${path}: ${reason}`);
    });
}

/** Decisions whose number another one has, so that a citation by number would be of two. */
export function decisionViolations(sources: Sources): string[] {
  const paths = pathsLike(sources, /^src\/decisions\/\d\d_.*\.md$/);
  const numberOf = (path: string) => posix.basename(path).slice(0, 2);
  return paths.filter((path, index) => index > 0 && numberOf(paths[index - 1]) === numberOf(path))
    .map((path) => `${path}: its number is another decision's`);
}

/** Comments of a source as one line each, so that a citation may go over a line's end. */
function citingText(path: string, text: string): string {
  const lines = path.endsWith(".md")
    ? text.split("\n")
    : text.split("\n").filter((line) => COMMENT.test(line))
      .map((line) => line.replace(/^\s*(\/\/+|\/?\*+)/, ""));
  return lines.join("\n").replaceAll(/\n\s*/g, " ");
}

function missingFiles(sources: Sources, path: string, text: string): string[] {
  const cited = [...text.matchAll(SOURCE)].map(([, file]) => file);
  // Decisions say what files were called then.
  const isHistory = path.startsWith("src/decisions/");
  const named = isHistory ? [] : [...text.matchAll(NAMED)].map(([, file]) => file);
  const paths = [...sources.keys()];
  const decisions = [...text.matchAll(DECISION)].map(([, number]) => number);
  const isDecision = (number: string) =>
    paths.some((each) => each.startsWith(`src/decisions/${number}_`));
  const { imports = {} } = JSON.parse(sources.get("deno.json") ?? "{}");
  const isThere = (file: string) =>
    sources.has(file) || sources.has(posix.join(posix.dirname(path), file)) ||
    // What the import map puts there for the checker.
    `./${file}` in imports;
  return [
    ...cited.filter((file) => !isThere(file)),
    ...named.filter((file) => !cited.includes(file) && !isThere(file))
      .filter((file) => !paths.some((each) => each.endsWith(`/${file}`))),
    ...decisions.filter((number) => !isDecision(number)).map((number) => `decision ${number}`),
  ].map((what) => `cites ${what}, which is not there`);
}

function missingSections(sources: Sources, path: string, text: string): string[] {
  return [...text.matchAll(CITED)].flatMap(([, file, list]) => {
    const target = documentOf(sources, path, file);
    if (target === null) return [`cites ${file}, which is not there`];
    const headings = new Set(
      [...sources.get(target)!.matchAll(/^#+ (\d[\d.]*?)\.? /gm)].map(([, number]) => number),
    );
    return (list?.match(/\d+(?:\.\d+)*/g) ?? [])
      .filter((number) => !headings.has(number))
      .map((number) => `cites section ${number} of ${target}, which is not there`);
  });
}

/** By its path from the root, from the citing file, or by a name that only one file has. */
function documentOf(sources: Sources, path: string, file: string): string | null {
  const near = posix.join(posix.dirname(path), file);
  if (sources.has(file)) return file;
  if (sources.has(near)) return near;
  const found = pathsLike(sources, /\.md$/).filter((each) => each.endsWith(`/${file}`));
  return found.length === 1 ? found[0] : null;
}
