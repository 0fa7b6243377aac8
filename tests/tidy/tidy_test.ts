import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../server/cli/commands.ts";
import { createApp } from "../../server/app.ts";
import { variableOf } from "../../server/cli/environment.ts";
import { ModelMetrics } from "../../server/metrics.ts";
import { ServerState } from "../../server/state.ts";
import { citationViolations, decisionViolations } from "./citations.ts";
import { codecQuestions } from "./codecs.ts";
import { commandTable, exampleViolations } from "./command_table.ts";
import { componentViolations } from "./components.ts";
import {
  commandViolations,
  type KnownNames,
  nameViolationsOfDocuments,
  titleViolations,
} from "./documents.ts";
import { circleViolations, importTableViolations, importViolations } from "./imports.ts";
import { deadFileViolations, fileLineViolations, twinViolations } from "./reach.ts";
import { folderViolations, nameViolations, sizeViolations } from "./size.ts";
import { readSources, type Sources } from "./sources.ts";
import { brokenLineViolations, wordViolations } from "./words.ts";

const commands = commandTable(COMMANDS);
const flags = new Set(["help", ...COMMANDS.flatMap((each) => Object.keys(each.flags))]);
const state = new ServerState();
const metrics = await new ModelMetrics("any").render(null);

const names: KnownNames = {
  flags,
  variables: new Set([
    ...[...flags].map(variableOf),
    "PACKKV_CONFIG",
    "PACKKV_DENO",
    "PACKKV_TEST_BROWSER",
  ]),
  endpoints: new Set([
    "/v1",
    ...createApp({ state, modelId: "any" }).routes.map(({ path }) => path),
  ]),
  metrics: new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)),
};

const RULES: [claim: string, rule: (sources: Sources) => string[]][] = [
  ["imports only what the table allows", importViolations],
  ["documents the imports that the table allows, none of which lead up", importTableViolations],
  ["has no files that import one another in a circle", circleViolations],
  ["has no folder over a quarter of src", folderViolations],
  ["cites files and sections that exist", citationViolations],
  ["gives each decision a number of its own", decisionViolations],
  ["asks which codec it has nowhere but in the codecs' rows", codecQuestions],
  ["has no dead files", deadFileViolations],
  ["has five files for each kernel", twinViolations],
  ["names each shader in its first line", fileLineViolations],
  ["stores no computed component of a vector in storage", componentViolations],
  ["keeps files, functions and lines short", sizeViolations],
  ["names source files in snake_case", nameViolations],
  ["holds no banned words", wordViolations],
  ["breaks no comment after one word", brokenLineViolations],
  ["has one title in each Markdown file", titleViolations],
  ["documents lines that commands take", (sources) => commandViolations(sources, commands)],
  ["shows lines in the help of commands that they take", () => exampleViolations(COMMANDS)],
  [
    "names flags, variables, endpoints and metrics that exist",
    (sources) => nameViolationsOfDocuments(sources, names),
  ],
];

const sources = await readSources();

for (const [claim, rule] of RULES) {
  Deno.test(`the repository ${claim}`, () => assertEquals(rule(sources), []));
}
