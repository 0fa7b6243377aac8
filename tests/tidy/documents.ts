/** Markdown: one title each, and command lines that work. */

import { pathsLike, type Sources } from "./sources.ts";

/** Names of commands, with the names of their flags; null: flags are not known. */
export type CommandTable = ReadonlyMap<string, ReadonlySet<string> | null>;

/** Markdown files that do not have exactly one first-level heading. */
export function titleViolations(sources: Sources): string[] {
  return pathsLike(sources, /\.md$/).flatMap((path) => {
    const { prose } = splitFences(sources.get(path)!);
    const titleCount = prose.filter((line) => /^# \S/.test(line)).length;
    return titleCount === 1 ? [] : [`${path}: ${titleCount} first-level headings: wanted one`];
  });
}

/** Commands and flags of `./packkv` in Markdown that do not exist. */
export function commandViolations(sources: Sources, commands: CommandTable): string[] {
  return pathsLike(sources, /\.md$/).flatMap((path) =>
    commandLines(sources.get(path)!).flatMap((line) =>
      checkCommandLine(line, commands).map((reason) => `${path}: "${line}": ${reason}`)
    )
  );
}

/** Every `./packkv …` in fences and code spans, up to a pipe, comment or end. */
export function commandLines(text: string): string[] {
  const { prose, fenced } = splitFences(text);
  const spans = prose.flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, span]) => span));
  return [...fenced.join("\n").replaceAll("\\\n", " ").split("\n"), ...spans].flatMap((line) =>
    [...line.matchAll(/\.\/packkv\s+[^|#;&]+/g)].map(([found]) => found.trim())
  );
}

function checkCommandLine(line: string, commands: CommandTable): string[] {
  const [, first, ...others] = line.split(/\s+/);
  if (first.startsWith("-")) return [];
  const isTwoWords = commands.has(`${first} ${others[0]}`);
  const name = isTwoWords ? `${first} ${others[0]}` : first;
  const rest = isTwoWords ? others.slice(1) : others;
  const flags = commands.get(name);
  if (flags === undefined) return [`there is no command ${name}`];
  if (flags === null) return [];
  return rest.filter((part) => part.startsWith("--"))
    .map((part) => part.slice(2).split("=")[0].replace(/[^\w-].*$/, ""))
    .filter((flag) => flag !== "help" && !flags.has(flag))
    .map((flag) => `${name} has no flag --${flag}`);
}

function splitFences(text: string): { prose: string[]; fenced: string[] } {
  const prose: string[] = [];
  const fenced: string[] = [];
  let fence = "";
  for (const line of text.split("\n")) {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1] ?? "";
    if (mark !== "" && (fence === "" || mark.startsWith(fence))) {
      fence = fence === "" ? mark : "";
      continue;
    }
    (fence === "" ? prose : fenced).push(line);
  }
  return { prose, fenced };
}
