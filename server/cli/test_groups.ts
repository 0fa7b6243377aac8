/**
 * How the whole suite is cut for several runners at once.
 *
 * One runner keeps about one core busy and waits now and then, so there is one more than there are
 * cores.
 *
 * @module
 */

import { join } from "node:path";

/** Folders with the longest tests: begun first, so that no long group is left at the end. */
const FIRST: readonly string[] =
  "kernels engine codec server model scheduler kvcache evaluation page".split(" ");

/** Files of a group: few enough to share the work evenly, enough to pay for a runner's start. */
const FILE_COUNT_MAX = 6;

const JOB_COUNT_MAX = 4;

/**
 * Cuts test files in groups, each of one folder; groups may run beside each other, in their order.
 *
 * @param files Paths below the folder of all tests, separated by `/`, in any order.
 */
export function testGroups(files: readonly string[]): string[][] {
  const folders = Map.groupBy(
    files.toSorted(),
    (file) => file.slice(0, Math.max(0, file.indexOf("/"))),
  );
  const rank = (folder: string) => {
    const index = FIRST.indexOf(folder);
    return index < 0 ? FIRST.length : index;
  };
  const names = [...folders.keys()].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return names.flatMap((name) => evenParts(folders.get(name)!));
}

/**
 * How many runners work at once.
 *
 * @param coreCount Logical cores of this machine.
 */
export function testJobCount(coreCount: number): number {
  return Math.min(coreCount + 1, JOB_COUNT_MAX);
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
