/**
 * How the whole suite is cut for several runners at once.
 *
 * One runner keeps about one core busy, mostly with compiling shaders, so as many runners work as
 * there are cores. Files that measure the memory of a process run alone, after the others.
 *
 * @module
 */

import { join } from "node:path";

/** Files whose claims are about a process's memory: a busy machine collects it late. */
const ALONE: readonly string[] = ["engine/steady_memory_test.ts", "server/hostile_test.ts"];

/** Folders with the longest tests: begun first, so that no long group is left at the end. */
const FIRST: readonly string[] = ["kernels", "engine", "codec", "server"];

/** Files of a group: few enough to share the work evenly, enough to pay for a runner's start. */
const FILE_COUNT_MAX = 6;

const JOB_COUNT_MAX = 4;

/** The groups of a run of all tests. */
export interface TestGroups {
  /** Paths of files; groups may run beside each other, in this order. */
  readonly beside: readonly (readonly string[])[];
  /** Paths of files that run with nothing beside them. */
  readonly alone: readonly string[];
}

/**
 * Cuts test files in groups, each of one folder.
 *
 * @param files Paths below the folder of all tests, separated by `/`, in any order.
 * @throws {Error} if a file that must run alone is not among `files`.
 */
export function testGroups(files: readonly string[]): TestGroups {
  const missing = ALONE.find((file) => !files.includes(file));
  if (missing !== undefined) {
    throw new Error(`tests/${missing} is missing, but ALONE in test_groups.ts has it`);
  }
  const folders = Map.groupBy(
    files.filter((file) => !ALONE.includes(file)).toSorted(),
    (file) => file.slice(0, Math.max(0, file.indexOf("/"))),
  );
  const rank = (folder: string) => {
    const index = FIRST.indexOf(folder);
    return index < 0 ? FIRST.length : index;
  };
  const names = [...folders.keys()].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return {
    beside: names.flatMap((name) => evenParts(folders.get(name)!)),
    alone: ALONE,
  };
}

/**
 * How many runners work at once.
 *
 * @param coreCount Logical cores of this machine.
 */
export function testJobCount(coreCount: number): number {
  return Math.max(1, Math.min(coreCount, JOB_COUNT_MAX));
}

/** Paths below `folder` of all test files in it. */
export function listTestFiles(folder: string): string[] {
  const files: string[] = [];
  const visit = (below: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(join(folder, below))) {
      const path = below === "" ? name : `${below}/${name}`;
      if (isDirectory) visit(path);
      else if (name.endsWith("_test.ts")) files.push(path);
    }
  };
  visit("");
  return files;
}

function evenParts(files: readonly string[]): string[][] {
  const count = Math.ceil(files.length / FILE_COUNT_MAX);
  const parts: string[][] = Array.from({ length: count }, () => []);
  // Neighbours in the alphabet are often long together, so they are dealt out.
  files.forEach((file, index) => parts[index % count].push(file));
  return parts;
}
