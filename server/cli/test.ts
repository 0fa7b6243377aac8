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
import { writeStdout } from "./stdout.ts";
import { describeCounts, reaches, readCounts, testArguments } from "./test_runner.ts";

const TAIL_CHARACTER_COUNT = 1 << 16;

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
    "Everything is passed on to `deno test`. Ends with a line `N passed, N failed`. A missing GPU",
    "adapter is a failure, not a reason to skip. The tests of the web page need a Chromium, which",
    "is installed on Debian as root; elsewhere they are left out, and in CI they fail without one.",
  ],
  needsGpu: true,
  isRaw: true,
  run: test,
};

async function test(args: readonly string[]): Promise<number> {
  const modelPath = await ensureModel(null);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const testFolder = resolve(root, "tests");
  const passed = passedOn(args, testFolder);
  const browser = reaches(passed, resolve(testFolder, "page")) ? await ensureBrowser(say) : null;
  const packages = await ensureTestPackages(root);
  const colour: Record<string, string> = Deno.stdout.isTerminal() && !Deno.noColor
    ? { FORCE_COLOR: "1" }
    : {};
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "-A",
      // Hides downloads, but also what tests print.
      ...(packages === "none" ? ["--quiet"] : []),
      `--node-modules-dir=${packages}`,
      "--config",
      resolve(root, "deno.json"),
      ...passed,
    ],
    cwd: root,
    env: {
      REQUIRE_ADAPTER: "1",
      PACKKV_MODEL: resolve(modelPath),
      ...(browser === null ? {} : { PACKKV_TEST_BROWSER: browser }),
      ...colour,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  // The terminal sends Ctrl-C to the runner too; its end is awaited.
  Deno.addSignalListener("SIGINT", () => {});
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  }
  const tail = await copyOut(child.stdout).catch((error) => {
    child.kill(); // its results have no reader
    throw error;
  });
  const { code } = await child.status;
  const counts = readCounts(tail);
  if (counts === null) {
    if (code === 0) return 0; // such as --help
    throw new SetupError(`Cannot run the tests: the runner ended with code ${code} before any ran`);
  }
  console.log(describeCounts(counts));
  return code;
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

/** Copies to stdout as it comes; returns the end of it. */
async function copyOut(output: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const bytes of output) {
    writeStdout(bytes);
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-TAIL_CHARACTER_COUNT);
  }
  return tail;
}
