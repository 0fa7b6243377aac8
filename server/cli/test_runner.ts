/**
 * Reading what `deno test` says at its end.
 *
 * @module
 */

import { UsageError } from "./usage_error.ts";

/** What a test run counted. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * The counts of the last summary line, e.g. `ok | 5 passed (2 steps) | 0 failed | 1 ignored (2s)`.
 *
 * @param output What the runner printed, or the end of it; may have terminal colours.
 * @returns Null if there is no such line: the runner ended before it ran a test.
 */
export function readCounts(output: string): TestCounts | null {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const lines = plain.split("\n").filter((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
  const summary = lines.at(-1);
  if (summary === undefined) return null;
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

/** The line that closes a test run. */
export function describeCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Flags of `deno test` whose value is a word of its own, and names no path. */
const WORD_FLAGS: readonly string[] = ["--filter", "--reporter"];

/**
 * Refuses words that are empty, as those of a shell's unset variables are: as a filter or a path
 * they would choose all tests.
 *
 * @throws {UsageError} Naming the flag.
 */
export function checkArguments(args: readonly string[]): void {
  for (const [index, arg] of args.entries()) {
    const own = WORD_FLAGS.find((name) => arg === `${name}=`);
    if (arg !== "" && own === undefined) continue;
    const flag = own ?? args[index - 1];
    if (WORD_FLAGS.includes(flag)) {
      throw new UsageError(`Cannot use ${flag}: its value is empty; leave it out to run all tests`);
    }
    throw new UsageError("Cannot use an empty path: leave it out to run all tests");
  }
}

/**
 * Arguments for `deno test` from those a user gave: paths that exist are made absolute, and where
 * there is none, all tests run.
 *
 * @param args Flags and paths, in any order.
 * @param testFolder Absolute path of all tests.
 * @param resolve The absolute path of an argument that names a file or folder, else null.
 */
export function testArguments(
  args: readonly string[],
  testFolder: string,
  resolve: (argument: string) => string | null,
): string[] {
  const resolved = args.map((arg, index) => {
    const isPath = !arg.startsWith("-") && !WORD_FLAGS.includes(args[index - 1]);
    return isPath ? resolve(arg) : null;
  });
  const given = args.map((arg, index) => resolved[index] ?? arg);
  return resolved.some((path) => path !== null) ? given : [...given, testFolder];
}

/**
 * Whether tests of `folder` are among those that run.
 *
 * @param args Arguments of `deno test`, their paths absolute.
 * @param folder Absolute path.
 */
export function reaches(args: readonly string[], folder: string): boolean {
  return args.some((arg) =>
    arg === folder || arg.startsWith(`${folder}/`) || folder.startsWith(`${arg}/`)
  );
}
