/**
 * `packkv test`: sets up what tests need, runs them, counts.
 *
 * @module
 */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBrowser } from "../setup/browser.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ensureTestPackages } from "../setup/packages.ts";
import { SetupError } from "../setup/setup_error.ts";
import type { Command } from "./command.ts";
import { listTestFiles, testGroups, testJobCount } from "./test_groups.ts";
import {
  checkTypes,
  runGroups,
  runTests,
  type StartTests,
  sumCounts,
  testFailures,
} from "./test_process.ts";
import { checkArguments, describeCounts, reaches, testArguments } from "./test_runner.ts";

/** The command. */
export const testCommand: Command = {
  name: "test",
  summary: "run the project's tests on this machine's GPU",
  usage: "[flags and paths of deno test]",
  flags: {},
  examples: [
    "packkv test",
    "packkv test tests/codec",
    'packkv test --filter "pack"',
  ],
  notes: [
    "Without arguments all tests run, in one process more than there are cores, at most four.",
    "Arguments are passed on to one `deno test`. Ends with a line `N passed, N failed`. A missing",
    "GPU adapter is a failure, not a reason to skip. The tests of the web page need a Chromium,",
    "which is installed on Debian as root; elsewhere they are left out, and in CI they fail",
    "without one.",
  ],
  needsGpu: true,
  isRaw: true,
  run: test,
};

async function test(args: readonly string[]): Promise<number> {
  checkArguments(args);
  const modelPath = await ensureModel(null);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const testFolder = resolve(root, "tests");
  const passed = passedOn(args, testFolder);
  const browser = reaches(passed, resolve(testFolder, "page")) ? await ensureBrowser(say) : null;
  const packages = await ensureTestPackages(root);
  const start = denoStarter(root, packages, {
    REQUIRE_ADAPTER: "1",
    PACKKV_MODEL: resolve(modelPath),
    ...(browser === null ? {} : { PACKKV_TEST_BROWSER: browser }),
    ...(Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {}),
  });
  return args.length === 0 ? await runAll(testFolder, start) : await runGiven(passed, start);
}

async function runGiven(args: readonly string[], start: StartDeno): Promise<number> {
  const { code, counts } = await runTests(start("test", args));
  if (counts === null) {
    if (code === 0) return 0; // such as --help
    throw new SetupError(`Cannot run the tests: the runner ended with code ${code} before any ran`);
  }
  console.log(describeCounts(counts));
  return code;
}

/** All tests, with several runners at once. */
async function runAll(testFolder: string, start: StartDeno): Promise<number> {
  const groups = testGroups(listTestFiles(testFolder)).map((files) =>
    files.map((file) => resolve(testFolder, file))
  );
  const jobCount = testJobCount(navigator.hardwareConcurrency);
  // Once for all: each runner would check the product again, for longer than many tests take.
  const types = checkTypes(start("check", [testFolder]));
  const startTests: StartTests = (files) => start("test", ["--no-check", ...files]);
  const runs = await runGroups(groups, jobCount, startTests);
  // Said again at the end, where they are found.
  const failures = [...runs.map(testFailures), await types];
  for (const { reasons } of failures) if (reasons !== "") console.log(`\n${reasons}`);
  const names = failures.flatMap((each) => each.names);
  if (names.length > 0) console.log(`\nFailed:\n${names.join("\n")}`);
  const broken = runs.filter(({ counts }) => counts === null);
  console.log(describeCounts(sumCounts(runs)));
  if (broken.length > 0) {
    throw new SetupError(
      `Cannot count all tests: ${broken.length} of ${runs.length} runners ended, with code ${
        broken[0].code
      }, before they had counted`,
    );
  }
  return runs.find(({ code }) => code !== 0)?.code ?? (names.length > 0 ? 1 : 0);
}

/** A way to run a command of Deno with arguments. */
type StartDeno = (command: "test" | "check", args: readonly string[]) => Deno.ChildProcess;

function denoStarter(root: string, packages: string, env: Record<string, string>): StartDeno {
  const running = new Set<Deno.ChildProcess>();
  let isEnding = false;
  // The terminal sends Ctrl-C to the runners too; their end is awaited, and none follows.
  Deno.addSignalListener("SIGINT", () => isEnding = true);
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      isEnding = true;
      for (const child of running) child.kill("SIGTERM");
    });
  }
  return (command, args) => {
    if (isEnding) throw new SetupError("The tests were stopped");
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        command,
        ...(command === "test" ? ["-A"] : []),
        // Hides downloads, but also what tests print.
        ...(packages === "none" ? ["--quiet"] : []),
        `--node-modules-dir=${packages}`,
        "--config",
        resolve(root, "deno.json"),
        ...args,
      ],
      cwd: root,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: command === "test" ? "inherit" : "piped",
    }).spawn();
    running.add(child);
    child.status.finally(() => running.delete(child));
    return child;
  };
}

function say(message: string): void {
  console.error(`packkv: ${message}`);
}

function passedOn(args: readonly string[], testFolder: string): string[] {
  return testArguments(args, testFolder, (argument) => {
    const path = resolve(argument);
    try {
      Deno.statSync(path);
      return path;
    } catch {
      return null; // a value of a flag, such as that of --filter
    }
  });
}
