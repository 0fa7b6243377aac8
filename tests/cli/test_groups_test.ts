import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { listTestFiles, testGroups, testJobCount } from "../../server/cli/test_groups.ts";
import {
  checkTypes,
  runGroups,
  sumCounts,
  testFailures,
  type TestRun,
} from "../../server/cli/test_process.ts";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

Deno.test("testGroups() puts every test file of this repository in exactly one group", () => {
  const files = listTestFiles(FOLDER);
  assert(files.includes("cli/test_groups_test.ts"));
  const groups = testGroups(files);
  assertEquals(groups.flat().toSorted(), files.toSorted());
  assert(groups.every((group) => group.length >= 1 && group.length <= 6));
});

Deno.test("testJobCount() is one more than there are cores, at most four", () => {
  assertEquals([1, 2, 4, 64].map(testJobCount), [2, 3, 4, 4]);
});

/** A runner that waits, then prints its argument as a failed run of one test. */
function start([name, waitMs]: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `await new Promise((done) => setTimeout(done, ${waitMs}));
       console.log("running ${name}");
       console.log("\\n ERRORS \\n\\n${name} => ./a_test.ts:3:6\\nerror: wrong");
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
  assertEquals(
    runs.map(testFailures),
    ["first", "second", "third"].map((name) => ({
      reasons: `ERRORS \n\n${name} => ./a_test.ts:3:6\nerror: wrong`,
      names: [`${name} => ./a_test.ts:3:6`],
    })),
  );
});

/** A runner of a file with one test, `body`. */
async function runBody(body: string): Promise<TestRun> {
  const file = await Deno.makeTempFile({ suffix: "_test.ts" });
  await Deno.writeTextFile(file, `Deno.test("one", async () => { ${body} });`);
  try {
    const [run] = await runGroups([[file]], 1, (paths) => {
      const args = ["test", "-A", "--no-check", ...paths];
      return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
    }, () => {});
    return run;
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("testFailures() names an error outside of tests", async () => {
  const late = 'setTimeout(() => { throw new Error("late"); }, 0);';
  const run = await runBody(`${late} await new Promise((done) => setTimeout(done, 200));`);
  const { reasons, names } = testFailures(run);
  assertEquals(names.length, 1, names.join("\n"));
  assertMatch(names[0], /_test\.ts \(uncaught error\)$/);
  assertMatch(reasons, /error: Error: late/);
});

Deno.test("testFailures() names the files of a runner that a signal ended", async () => {
  const { reasons, names } = testFailures(await runBody('Deno.kill(Deno.pid, "SIGKILL");'));
  assertEquals([reasons, names.length], ["", 1]);
  assertMatch(names[0], /^a runner ended by signal 9: \S+_test\.ts$/);
});

Deno.test("testFailures() names the files of a runner that ended before it had counted", () => {
  const tail = "running 2 tests from ./a_test.ts\none ... ok (1ms)\ntwo ...";
  const { names } = testFailures({ code: 1, counts: null, tail });
  assertEquals(names, ["a runner ended with code 1 before it had counted: ./a_test.ts"]);
});

Deno.test("checkTypes() gives what is wrong with types, and nothing if they are right", async () => {
  const check = async (text: string) => {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, text);
    try {
      const args = ["check", file];
      const output = { stdout: "piped", stderr: "piped" } as const;
      return await checkTypes(new Deno.Command(Deno.execPath(), { args, ...output }).spawn());
    } finally {
      await Deno.remove(file);
    }
  };
  assertEquals(await check("export const one: number = 1;"), { reasons: "", names: [] });
  const { reasons, names } = await check('export const one: number = "1";');
  assertEquals(names, ["deno check tests"]);
  assertMatch(reasons, /Type 'string' is not assignable to type 'number'/);
});
