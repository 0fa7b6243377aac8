import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { listTestFiles, testGroups, testJobCount } from "../../server/cli/test_groups.ts";
import { failedTests, runGroups, sumCounts } from "../../server/cli/test_process.ts";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

Deno.test("testGroups() puts every test file of this repository in exactly one group", () => {
  const files = listTestFiles(FOLDER);
  assert(files.includes("cli/test_groups_test.ts"));
  const { beside, alone } = testGroups(files);
  assertEquals([...beside.flat(), ...alone].toSorted(), files.toSorted());
  assert(beside.every((group) => group.length >= 1 && group.length <= 6));
});

Deno.test("testGroups() refuses a list without a file that must run alone", () => {
  const files = listTestFiles(FOLDER).filter((file) => file !== "gpu/gpu_test.ts");
  assertThrows(() => testGroups(files), Error, "tests/gpu/gpu_test.ts is missing");
});

Deno.test("testJobCount() is the number of cores, at most four", () => {
  assertEquals([1, 2, 4, 64].map(testJobCount), [1, 2, 4, 4]);
});

/** A runner that waits, then prints its argument as a failed run of one test. */
function start([name, waitMs]: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `await new Promise((done) => setTimeout(done, ${waitMs}));
       console.log("running ${name}");
       console.log("\\n FAILURES \\n\\n${name} => ./a_test.ts:3:6\\n");
       console.log("FAILED | 2 passed | 1 failed (1ms)");
       Deno.exit(1);`,
    ],
    stdout: "piped",
  }).spawn();
}

Deno.test("runGroups() prints the outputs of processes in order and names what failed", async () => {
  let printed = "";
  const decoder = new TextDecoder();
  const groups = [["first", "600"], ["second", "0"], ["third", "0"]];
  const runs = await runGroups(groups, 2, start, (bytes) => printed += decoder.decode(bytes));
  assertEquals(printed.match(/running \w+/g), ["running first", "running second", "running third"]);
  assertEquals(sumCounts(runs), { passed: 6, failed: 3, skipped: 0 });
  assertEquals(runs.map(({ code }) => code), [1, 1, 1]);
  assertEquals(runs.flatMap(failedTests), [
    "first => ./a_test.ts:3:6",
    "second => ./a_test.ts:3:6",
    "third => ./a_test.ts:3:6",
  ]);
});
