/** The project's own text files, as the tidy rules see them. */

import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** Texts by path, relative to the repository and with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

const SKIPPED_FOLDERS = new Set([".git", ".cache", "node_modules", "record"]);
const TEXT_FILES = /(\.(ts|mjs|wgsl|md|json)|\/run|^packkv|LICENSE)$/;

/** Reads every text file of the repository. */
export async function readSources(): Promise<Sources> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const sources = new Map<string, string>();
  async function walk(folder: string): Promise<void> {
    for await (const entry of Deno.readDir(join(root, folder))) {
      const path = folder === "" ? entry.name : posix.join(folder, entry.name);
      if (entry.isDirectory && !SKIPPED_FOLDERS.has(entry.name)) await walk(path);
      if (!entry.isFile || !TEXT_FILES.test(path)) continue;
      sources.set(path, await Deno.readTextFile(join(root, path)));
    }
  }
  await walk("");
  return sources;
}

/** Sources of a rule's own test: paths and texts. */
export function makeSources(texts: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(texts));
}

/** The paths that match, sorted. */
export function pathsLike(sources: Sources, pattern: RegExp): string[] {
  return [...sources.keys()].filter((path) => pattern.test(path)).sort();
}
