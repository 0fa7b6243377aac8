/** Rules of documents find what they are to find. */

import { assertEquals } from "@std/assert";
import type { Command } from "../../server/cli/command.ts";
import { ENGINE_FLAGS } from "../../server/cli/engine_flags.ts";
import { type Rule, ruleTest } from "./check_rule.ts";
import { commandTable, exampleViolations } from "./command_table.ts";
import {
  commandLines,
  commandViolations,
  nameViolationsOfDocuments,
  titleViolations,
} from "./documents.ts";

ruleTest("titleViolations() finds two titles", [
  titleViolations,
  { "a.md": "# A\n\n# B\n", "b.md": "# B\n\n```sh\n# a comment\n```\n" },
  /^a\.md: 2 first-level headings/,
]);

ruleTest("titleViolations() finds a missing title", [
  titleViolations,
  { "a.md": "## A\n" },
  /^a\.md: 0 first-level headings/,
]);

const SERVE: Command = {
  name: "serve",
  summary: "serve",
  usage: "",
  flags: { ...ENGINE_FLAGS, port: { value: "PORT", help: "port" } },
  examples: [],
  run: () => Promise.resolve(0),
};

const checkCommands: Rule = (sources) =>
  commandViolations(sources, commandTable([SERVE, { ...SERVE, name: "test", isRaw: true }]));

const DOCUMENTS: [string, string, RegExp | null][] = [
  ["a command that does not exist", "Use `./packkv chat` now", /no command chat/],
  ["a flag that does not exist", "```sh\n./packkv serve --prt 1\n```", /--prt: no such flag/],
  ["a flag on a continued line", "```sh\n./packkv serve \\\n  --prt 1\n```", /--prt: no such/],
  ["a value that is refused", "Use `./packkv serve --kv-memory 2G`", /2G: must be a number of MiB/],
  ["a number that is none", "Use `./packkv serve --port http`", /http: must be a number/],
  ["settings that contradict", "`./packkv serve --profile exact --k-rel 0.1`", /--k-rel/],
  [
    "no fault in a flag that is named",
    "`./packkv serve --ctx` and `./packkv serve --port N`",
    null,
  ],
  ["no fault in what exists", "`./packkv serve --port=1` and `./packkv test --any`", null],
  ["no fault in flags after a pipe", "```\n./packkv serve | grep --color x\n```", null],
  ["no fault in prose", "the ./packkv script of this folder", null],
];

for (const [state, text, expected] of DOCUMENTS) {
  ruleTest(`commandViolations() finds ${state}`, [checkCommands, { "README.md": text }, expected]);
}

Deno.test("exampleViolations() finds an example that its command refuses", () => {
  const examples = ["packkv serve --port 80", "packkv serve --port x"];
  const found = exampleViolations([{ ...SERVE, examples }]);
  assertEquals(found, ["packkv serve --port x: Cannot use --port x: must be a number"]);
});

const checkNames: Rule = (sources) =>
  nameViolationsOfDocuments(sources, {
    flags: new Set(["port"]),
    variables: new Set(["PACKKV_PORT"]),
    endpoints: new Set(["/v1/models", "/slots/:id"]),
    metrics: new Set(["vllm:a_total"]),
  });

const NAMES: [string, string, RegExp | null][] = [
  ["a flag that nothing has", "Set `--prt 1`", /no prt among the flags/],
  ["a variable that nothing reads", "Set `PACKKV_PRT=1`", /no PACKKV_PRT among the variables/],
  ["an endpoint that is not served", "Ask `GET /v1/modls`", /no \/v1\/modls among the endpoints/],
  [
    "an endpoint of an example that is not served",
    "```sh\ncurl http://127.0.0.1:8000/prop\n```",
    /no \/prop among the endpoints/,
  ],
  ["an endpoint with one part too many", "Ask `GET /slots/0/x`", /no \/slots\/0\/x among/],
  ["a metric that is not told", "Watch `vllm:b_total`", /no vllm:b_total among the metrics/],
  [
    "no fault in what exists, or is a parameter",
    "`GET /slots/0`, `--port`, `PACKKV_PORT=1`, `/v1/models`, `vllm:a_total`, `/help`, `Bearer K`",
    null,
  ],
];

for (const [state, text, expected] of NAMES) {
  ruleTest(`nameViolationsOfDocuments() finds ${state}`, [
    checkNames,
    { "server/docs/a.md": text },
    expected,
  ]);
}

Deno.test("commandLines() reads fences and code spans", () => {
  const text = "Run `./packkv run x`.\n\n```sh\ncd repo && ./packkv serve # comment\n```\n";
  assertEquals(commandLines(text), ["./packkv serve", "./packkv run x"]);
});
