import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../server/cli/commands.ts";
import { commandViolations, titleViolations } from "./documents.ts";
import { importViolations } from "./imports.ts";
import { deadFileViolations, twinViolations } from "./reach.ts";
import { nameViolations, sizeViolations } from "./size.ts";
import { readSources, type Sources } from "./sources.ts";
import { wordViolations } from "./words.ts";

const commands = new Map(
  COMMANDS.map(({ name, flags, isRaw }) => [name, isRaw ? null : new Set(Object.keys(flags))]),
);

const RULES: [claim: string, rule: (sources: Sources) => string[]][] = [
  ["imports only what the table allows", importViolations],
  ["has no dead files", deadFileViolations],
  ["has five files for each kernel", twinViolations],
  ["keeps files, functions and lines short", sizeViolations],
  ["names source files in snake_case", nameViolations],
  ["holds no banned words", wordViolations],
  ["has one title in each Markdown file", titleViolations],
  ["documents commands and flags that exist", (sources) => commandViolations(sources, commands)],
];

const sources = await readSources();

for (const [claim, rule] of RULES) {
  Deno.test(`the repository ${claim}`, () => assertEquals(rule(sources), []));
}
