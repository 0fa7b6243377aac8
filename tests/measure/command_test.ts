import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { benchServeCommand, readWorkload } from "../../server/cli/bench_serve.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { commandViolations } from "../tidy/documents.ts";
import { makeSources } from "../tidy/sources.ts";

const read = (...args: string[]) => readWorkload(parseFlags(args, benchServeCommand.flags));

Deno.test("readWorkload() has defaults: one at a time", () => {
  assertEquals(read(), {
    requestCount: 16,
    shape: { type: "concurrency", concurrency: 1 },
    promptTokens: { min: 128, max: 128 },
    outputTokens: { min: 32, max: 32 },
    prefixShare: 0,
    seed: 0,
  });
});

Deno.test("readWorkload() reads ranges, a rate and a share", () => {
  const args = "--rate 0.5 --prompt-tokens 64-256 --output-tokens 1 --prefix-share 0.25 --seed 9";
  assertEquals(read(...args.split(" "), "--requests", "3"), {
    requestCount: 3,
    shape: { type: "rate", requestsPerSecond: 0.5 },
    promptTokens: { min: 64, max: 256 },
    outputTokens: { min: 1, max: 1 },
    prefixShare: 0.25,
    seed: 9,
  });
});

const WRONG: [args: string, message: string][] = [
  ["--prompt-tokens 0", "--prompt-tokens 0: must be whole numbers from 1"],
  ["--prompt-tokens 9-3", "--prompt-tokens 9-3: must be"],
  ["--output-tokens 1.5", "--output-tokens 1.5: must be"],
  ["--output-tokens 1-2-3", "--output-tokens 1-2-3: must be"],
  ["--output-tokens 1-99999999", "--output-tokens 1-99999999: must be"],
  ["--rate 0", "--rate 0: must be a number from 0.001"],
  ["--concurrency 2.5", "--concurrency 2.5: must be a whole number"],
  ["--rate 1 --concurrency 2", "--rate with --concurrency"],
  ["--prefix-share 1.5", "--prefix-share 1.5: must be a number from 0 to 1"],
  ["--conurrency 2", "no such flag; did you mean --concurrency?"],
];

for (const [args, message] of WRONG) {
  Deno.test(`packkv bench serve refuses ${args}`, () => {
    const error = assertThrows(() => read(...args.split(" ")), UsageError);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("commandViolations() checks the flags of a command of two words against its own", () => {
  const takes = (...flags: string[]) => (args: readonly string[]) => {
    parseFlags(args, Object.fromEntries(flags.map((name) => [name, { help: "", value: "X" }])));
  };
  const commands = new Map([["bench", takes("json")], ["bench serve", takes("url")]]);
  const check = (line: string) =>
    commandViolations(makeSources({ "a.md": `# A\n\n\`${line}\`\n` }), commands).length;
  assertEquals(check("./packkv bench serve --url http://127.0.0.1:8000"), 0);
  assertEquals(check("./packkv bench --json x"), 0);
  assertEquals(check("./packkv bench serve --json"), 1);
  assertEquals(check("./packkv bench --url http://127.0.0.1:8000"), 1);
});
