import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  checkArguments,
  describeCounts,
  reaches,
  readCounts,
  testArguments,
} from "../../server/cli/test_runner.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const OUTPUTS: [string, string, ReturnType<typeof readCounts>][] = [
  ["all pass", "ok | 34 passed | 0 failed (118ms)\n", { passed: 34, failed: 0, skipped: 0 }],
  [
    "there are steps",
    "FAILED | 5 passed (12 steps) | 2 failed (3 steps) (2s)\n",
    { passed: 5, failed: 2, skipped: 0 },
  ],
  [
    "some are ignored",
    "ok | 5 passed | 0 failed | 3 ignored (1 step) | 9 filtered out (2s)\n",
    { passed: 5, failed: 0, skipped: 3 },
  ],
  [
    "it has colours",
    "\x1b[0m\x1b[32mok\x1b[0m | 1 passed | 0 failed \x1b[0m\x1b[38;5;245m(1ms)\x1b[0m\n",
    { passed: 1, failed: 0, skipped: 0 },
  ],
  [
    "a test printed such a line before",
    "ok | 9 passed | 9 failed\nFAILED | 1 passed | 1 failed (1ms)\n\nerror: Test failed\n",
    { passed: 1, failed: 1, skipped: 0 },
  ],
  ["the runner never got there", "error: Type checking failed.\n", null],
];

for (const [state, output, counts] of OUTPUTS) {
  Deno.test(`readCounts() reads the runner's last summary if ${state}`, () => {
    assertEquals(readCounts(output), counts);
  });
}

Deno.test("describeCounts() names skipped tests only if there are some", () => {
  assertEquals(describeCounts({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assertEquals(
    describeCounts({ passed: 3, failed: 1, skipped: 2 }),
    "3 passed, 1 failed, 2 skipped",
  );
});

Deno.test("testArguments() runs all tests if no argument is a path", () => {
  const resolve = (argument: string) => argument === "a_test.ts" ? "/cwd/a_test.ts" : null;
  assertEquals(testArguments([], "/r/tests", resolve), ["/r/tests"]);
  assertEquals(testArguments(["--filter", "pack"], "/r/tests", resolve), [
    "--filter",
    "pack",
    "/r/tests",
  ]);
  // A word that a filter looks for may be the name of a file.
  assertEquals(testArguments(["--filter", "a_test.ts"], "/r/tests", resolve), [
    "--filter",
    "a_test.ts",
    "/r/tests",
  ]);
  assertEquals(testArguments(["--fail-fast", "a_test.ts"], "/r/tests", resolve), [
    "--fail-fast",
    "/cwd/a_test.ts",
  ]);
});

Deno.test("packkv test refuses words that are empty, as unset variables are, and starts nothing", async () => {
  const main = new URL("../../server/main.ts", import.meta.url).pathname;
  const cases = [
    [["--filter", ""], "Cannot use --filter: its value is empty"],
    [["--filter=", "tests/codec"], "Cannot use --filter: its value is empty"],
    [["tests/codec", ""], "Cannot use an empty path"],
  ] as const;
  for (const [args, said] of cases) {
    assertThrows(() => checkArguments(args), UsageError, said);
  }
  const [[args, said]] = cases;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main, "test", ...args],
  });
  const { code, stdout, stderr } = await command.output();
  assertEquals([code, stdout.length], [2, 0]);
  assertStringIncludes(new TextDecoder().decode(stderr), said);
});

Deno.test("reaches() says whether tests of a folder are among those that run", () => {
  const folder = "/r/tests/page";
  const yes = ["/r/tests", "/r/tests/page", "/r/tests/page/a_test.ts"];
  for (const path of yes) assertEquals(reaches(["--quiet", path], folder), true, path);
  const no = ["/r/tests/codec", "/r/tests/pages", "--filter", "page"];
  for (const path of no) assertEquals(reaches([path], folder), false, path);
});
