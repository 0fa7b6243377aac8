/** Words that must not be in the project's files, each with the reason. */

import { pathsLike, type Sources } from "./sources.ts";

interface BannedWord {
  pattern: RegExp;
  reason: string;
  /** Files it is looked for in. */
  files: RegExp;
}

const ALL = /./;
const MODULES = /\.(ts|mjs)$/;
const PRODUCT = /^(src|server|mod\.ts|packkv)/;

// Put together here, so that this file does not hold the words.
const word = (...parts: string[]) => new RegExp(`\\b${parts.join("")}\\b`);
const host = (...parts: string[]) => new RegExp(parts.join("\\."), "i");
const DOCUMENTS = /^(README|CHANGELOG|(src|server|shaders|bench)\/.*)\.md$/;
const SOURCES = /^(mod\.ts$|(src|server|shaders|bench)\/.*\.(ts|mjs|wgsl)$)/;
/** What people read of a source, up to a word: comments, help and summaries. */
const READ = String.raw`^\s*(?:\/\/|\/?\*).*|\s\/\/ .*|\b(?:help|summary): .*`;
/** Turns of speech, with what to say instead. */
const TURNS: readonly [words: string, instead: string][] = [
  ["tells?|told|telling", "report, show, list, say, describe or name"],
  ["who(?:m|so)?ever", "name the one who does it"],
  ["had better", "say what happens"],
  ["anew", "again"],
  ["for want of", "without"],
  ["though (?:it|they) be", "even if"],
];

const BANNED: readonly BannedWord[] = [
  ...[["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map((parts) => ({
    pattern: word(...parts),
    reason: "finish it, or say in words what does not work",
    files: ALL,
  })),
  ...[
    ["registry", "npmjs", "org"],
    ["registry", "yarnpkg", "com"],
    ["pypi", "org"],
    ["files", "pythonhosted", "org"],
    ["crates", "io"],
    ["proxy", "golang", "org"],
    ["repo1?", "maven", "(apache|org)"],
    ["deb", "debian", "org"],
    ["jsr", "io"],
  ].map((parts) => ({
    pattern: host(...parts),
    reason: "clients know their registries; files do not name them",
    files: ALL,
  })),
  {
    pattern: /[wW]orker\w*\.terminate\(/,
    reason: "a GPU worker that is terminated may crash the process; let it close itself",
    // Its workers hold no device, and one that compiles a bad grammar hears nothing.
    files: /^(?!src\/grammar\/pool\.ts$).*\.ts$/,
  },
  {
    // naga 29 writes its zero once, before the loop.
    pattern: /^\s+var \w+: [^=;]+;/,
    reason: "a variable in a loop is not set to zero again; give it a value",
    files: /\.wgsl$/,
  },
  {
    pattern: /@ts-(ignore|nocheck)|deno-lint-ignore-file/,
    reason: "mend the cause, or ignore one rule on one line",
    files: MODULES,
  },
  { pattern: /\bas any\s*[;,)\]}.[]/, reason: "name the type, or use unknown", files: MODULES },
  ...TURNS.flatMap(([words, instead]) => {
    const reason = `prose is plain: ${instead}`;
    return [
      { pattern: new RegExp(`\\b(?:${words})\\b`, "i"), reason, files: DOCUMENTS },
      { pattern: new RegExp(`(?<=${READ})\\b(?:${words})\\b`, "i"), reason, files: SOURCES },
    ];
  }),
  { pattern: /\.\.\/shared\b/, reason: "the product runs without ../shared", files: PRODUCT },
];

/** Lines that hold a banned word. Lines of this folder that define them are not looked at. */
export function wordViolations(sources: Sources): string[] {
  return pathsLike(sources, /^(?!tests\/tidy\/)/).flatMap((path) =>
    sources.get(path)!.split("\n").flatMap((line, index) =>
      BANNED
        .filter(({ files, pattern }) => files.test(path) && pattern.test(line))
        .map(({ pattern, reason }) => {
          return `${path}:${index + 1}: "${pattern.exec(line)![0]}": ${reason}`;
        })
    )
  );
}

const COMMENT_LINE = /^\s*(?:\/\/|\*) (\S.*)$/;

/** Lines of comments that hold one word in the middle of a sentence: left over by an edit. */
export function brokenLineViolations(sources: Sources): string[] {
  return pathsLike(sources, /\.(ts|mjs|wgsl)$/).flatMap((path) => {
    const texts = sources.get(path)!.split("\n").map((line) => COMMENT_LINE.exec(line)?.[1] ?? "");
    return texts.flatMap((text, index) => {
      const isOneWord = /^[\w`'-]+[,;]?$/.test(text) && !text.startsWith("```");
      const isInside = (texts[index - 1] ?? "").length > 60 &&
        /^[a-z`({]/.test(texts[index + 1] ?? "");
      return isOneWord && isInside ? [`${path}:${index + 1}: "${text}": join it to the next`] : [];
    });
  });
}
