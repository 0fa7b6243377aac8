/** Markdown: one title each, and command lines that work. */

import { pathsLike, type Sources } from "./sources.ts";

/**
 * By names of commands what reads their arguments, and throws if the command would refuse them;
 * null: any will do.
 */
export type CommandTable = ReadonlyMap<string, ((args: readonly string[]) => void) | null>;

/** Markdown files that do not have exactly one first-level heading. */
export function titleViolations(sources: Sources): string[] {
  return pathsLike(sources, /\.md$/).flatMap((path) => {
    const { prose } = splitFences(sources.get(path)!);
    const titleCount = prose.filter((line) => /^# \S/.test(line)).length;
    return titleCount === 1 ? [] : [`${path}: ${titleCount} first-level headings: wanted one`];
  });
}

/** Lines of `./packkv` in Markdown that the command line refuses. */
export function commandViolations(sources: Sources, commands: CommandTable): string[] {
  return pathsLike(sources, /\.md$/).flatMap((path) =>
    commandLines(sources.get(path)!).flatMap((line) =>
      checkCommandLine(line, commands).map((reason) => `${path}: "${line}": ${reason}`)
    )
  );
}

/** What guides may name. */
export interface KnownNames {
  /** Flags of all commands, without dashes. */
  flags: ReadonlySet<string>;
  /** Environment variables. */
  variables: ReadonlySet<string>;
  /** Paths of the server, with and without `/v1`. */
  endpoints: ReadonlySet<string>;
  /** Names of metrics. */
  metrics: ReadonlySet<string>;
}

/** Flags, variables, endpoints and metrics that the README and the guide name but nothing has. */
export function nameViolationsOfDocuments(sources: Sources, known: KnownNames): string[] {
  return pathsLike(sources, /^(README|server\/docs\/.*)\.md$/).flatMap((path) =>
    namesIn(sources.get(path)!)
      .filter(({ kind, name }) => !isKnown(known[kind], name))
      .map(({ kind, name }) => `${path}: there is no ${name} among the ${kind}`)
  );
}

/** Whether a name is known, or an endpoint with a parameter (`/slots/:id`) is known for it. */
function isKnown(known: ReadonlySet<string>, name: string): boolean {
  if (known.has(name)) return true;
  const parts = name.split("/");
  return [...known].some((path) => {
    const own = path.split("/");
    const fits = (part: string, index: number) => part.startsWith(":") || part === parts[index];
    return path.includes("/:") && own.length === parts.length && own.every(fits);
  });
}

const SPAN_KINDS: readonly [kind: keyof KnownNames, pattern: RegExp][] = [
  ["flags", /^--([a-z][a-z-]*)(?:[= ].*)?$/],
  ["variables", /^(PACKKV_[A-Z_]*[A-Z])(?:=.*)?$/],
  ["endpoints", /^(?:GET |POST )?(\/(?!file\b|help\b|set\b)[a-z][a-z0-9/-]*)$/],
  ["metrics", /^((?:vllm|packkv):\w+)/],
];

function namesIn(text: string): { kind: keyof KnownNames; name: string }[] {
  const { prose, fenced } = splitFences(text);
  const spans = prose.flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, span]) => span));
  const named = spans.flatMap((span) =>
    SPAN_KINDS.flatMap(([kind, pattern]) => {
      const name = pattern.exec(span)?.[1];
      return name === undefined ? [] : [{ kind, name }];
    })
  );
  const urls = fenced.join("\n").matchAll(/http:\/\/127\.0\.0\.1:8000(\/[a-z0-9/_-]+)/g);
  // A client's base URL is no endpoint.
  const paths = [...urls].map(([, name]) => name).filter((name) => name !== "/v1");
  return [...named, ...paths.map((name) => ({ kind: "endpoints" as const, name }))];
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
  const read = commands.get(name);
  if (read === undefined) return [`there is no command ${name}`];
  const rest = (isTwoWords ? others.slice(1) : others).filter((part) => part !== "--help");
  // A flag that is only named has no value.
  const isNamed = rest.at(-1)?.startsWith("--") ?? false;
  try {
    read?.(rest.map((part) => part.replace(/^["']|["']$/g, "")));
    return [];
  } catch (error) {
    const { message } = error as Error;
    return isNamed && message.includes("it needs a value") ? [] : [message];
  }
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
