/**
 * One process of `deno test`, and several of them with their outputs in order.
 *
 * @module
 */

import { writeStdout } from "./stdout.ts";
import { readCounts, type TestCounts } from "./test_runner.ts";

const TAIL_CHARACTER_COUNT = 1 << 18;

/** A greater exit code is that of a process that a signal ended. */
const SIGNAL_CODE_MIN = 128;

/** How a runner ended. */
export interface TestRun {
  /** Exit code. */
  readonly code: number;
  /** Null if no test was run. */
  readonly counts: TestCounts | null;
  /** The end of what it printed. */
  readonly tail: string;
}

/** A way to run `deno test` with paths. */
export type StartTests = (paths: readonly string[]) => Deno.ChildProcess;

/** Runs one process; copies its stdout as it comes. */
export async function runTests(child: Deno.ChildProcess): Promise<TestRun> {
  return await finish(child, writeStdout);
}

/**
 * Runs each group of files in a process of its own, several beside each other. Outputs come one
 * after the other in the order of the groups, the current one live.
 *
 * @param groups Paths of files.
 * @param jobCount Processes at once, at least 1.
 * @param start Starts a process for a group.
 * @param write Takes what is to be printed.
 * @returns One result per group, in their order.
 */
export async function runGroups(
  groups: readonly (readonly string[])[],
  jobCount: number,
  start: StartTests,
  write: (bytes: Uint8Array) => void = writeStdout,
): Promise<TestRun[]> {
  const results: TestRun[] = [];
  const held: (Uint8Array[] | null)[] = groups.map(() => []);
  const ended = groups.map(() => false);
  let current = 0; // whose output is live; a held list of null is printed
  const release = () => {
    for (; current < groups.length; current++) {
      held[current]?.forEach(write);
      held[current] = null;
      if (!ended[current]) return;
    }
  };
  release();
  let next = 0;
  const work = async () => {
    while (next < groups.length) {
      const index = next++;
      results[index] = await finish(start(groups[index]), (bytes) => {
        const list = held[index];
        if (list === null) write(bytes);
        else list.push(bytes.slice());
      });
      ended[index] = true;
      release();
    }
  };
  await Promise.all(Array.from({ length: jobCount }, work));
  return results;
}

/** The sum of several runs. */
export function sumCounts(runs: readonly TestRun[]): TestCounts {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { counts } of runs) {
    sum.passed += counts?.passed ?? 0;
    sum.failed += counts?.failed ?? 0;
    sum.skipped += counts?.skipped ?? 0;
  }
  return sum;
}

/** What a run of `deno check` finds wrong; nothing if all types are right. */
export async function checkTypes(child: Deno.ChildProcess): Promise<TestFailures> {
  const { success, stderr } = await child.output();
  if (success) return { reasons: "", names: [] };
  return { reasons: new TextDecoder().decode(stderr).trim(), names: ["deno check tests"] };
}

/** What went wrong in a runner. */
export interface TestFailures {
  /** What it said of each failure, as it said it. */
  readonly reasons: string;
  /** A line per failure, such as `claim => ./a_test.ts:3:6` or `./a_test.ts (uncaught error)`. */
  readonly names: readonly string[];
}

/** What went wrong in `run`: tests that failed, errors outside of tests, an early end. */
export function testFailures(run: TestRun): TestFailures {
  // deno-lint-ignore no-control-regex
  const plain = run.tail.replace(/\x1b\[[0-9;]*m/g, "");
  const [from, middle, end] = ["\n ERRORS ", "\n FAILURES ", "\nFAILED | "].map((mark) =>
    plain.lastIndexOf(mark)
  );
  const hasFailures = from >= 0 && from < middle && middle < end;
  const names = hasFailures ? plain.slice(middle, end).trim().split("\n").slice(2) : [];
  const bySignal = run.code > SIGNAL_CODE_MIN;
  if (bySignal || run.counts === null) {
    const running = plain.matchAll(/^running \d+ tests? from (\S+)$/gm);
    const files = Array.from(running, ([, file]) => file);
    const how = bySignal
      ? `by signal ${run.code - SIGNAL_CODE_MIN}`
      : `with code ${run.code} before it had counted`;
    names.push(`a runner ended ${how}: ${files.join(", ")}`);
  }
  return { reasons: hasFailures ? plain.slice(from, middle).trim() : "", names };
}

async function finish(
  child: Deno.ChildProcess,
  write: (bytes: Uint8Array) => void,
): Promise<TestRun> {
  const decoder = new TextDecoder();
  let tail = "";
  try {
    for await (const bytes of child.stdout) {
      write(bytes);
      tail = (tail + decoder.decode(bytes, { stream: true })).slice(-TAIL_CHARACTER_COUNT);
    }
  } catch (error) {
    child.kill(); // its results have no reader
    throw error;
  }
  const { code } = await child.status;
  return { code, counts: readCounts(tail), tail };
}
