/** Files nobody uses, and kernels that lack a twin. */

import { importsOf } from "./imports.ts";
import { pathsLike, type Sources } from "./sources.ts";

/** What is started or published by name. */
const PRODUCT_ENTRIES = ["mod.ts", "server/main.ts", "src/codec/mod.ts"];
/** Parts of `src/` that tests and benches may use alone: twins, writers of model files. */
const SHARED_WITH_TESTS = /^src\/(reference|gguf|core\/std)\//;
const TEST_ENTRY = /^(tests\/.*_test|bench\/.*_bench)\.ts$/;

/** Paths that `entries` import, directly or not; entries included. */
export function reachable(sources: Sources, entries: readonly string[]): Set<string> {
  const found = new Set<string>();
  const waiting = entries.filter((path) => sources.has(path));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    if (!/\.(ts|mjs)$/.test(path)) continue;
    for (const target of targetsOf(path, sources)) {
      if (sources.has(target)) waiting.push(target);
    }
  }
  return found;
}

function targetsOf(path: string, sources: Sources): string[] {
  const imports: Record<string, string> = JSON.parse(sources.get("deno.json") ?? "{}").imports ??
    {};
  return importsOf(path, sources.get(path)!).map((each) =>
    each.path ?? imports[each.specifier]?.replace(/^\.\//, "") ?? each.specifier
  );
}

/** Modules and shaders that nothing started or published leads to. */
export function deadFileViolations(sources: Sources): string[] {
  const product = reachable(sources, PRODUCT_ENTRIES);
  const tests = reachable(sources, pathsLike(sources, TEST_ENTRY));
  return pathsLike(sources, /^(src|server|shaders|tests|bench)\/.*\.(ts|wgsl|mjs)$/)
    .filter((path) => {
      if (product.has(path)) return false;
      if (/^(tests|bench)\//.test(path) || SHARED_WITH_TESTS.test(path)) return !tests.has(path);
      return true;
    })
    .map((path) => `${path}: dead: no program, test or published module leads to it`);
}

/** Shaders without their four twins, and twins without their shader. */
export function twinViolations(sources: Sources): string[] {
  const stems = new Set<string>();
  for (const path of sources.keys()) {
    const stem = /^(?:shaders|src\/kernels|src\/reference)\/([^/]+)\.(?:wgsl|ts)$/.exec(path)?.[1];
    if (stem !== undefined) stems.add(stem);
  }
  return [...stems].sort().flatMap((stem) => {
    const twins = twinsOf(stem);
    // A helper without a shader or a test of its own is no kernel.
    if (!sources.has(`shaders/${stem}.wgsl`) && !sources.has(`src/reference/${stem}.ts`)) return [];
    return twins.filter((path) => !sources.has(path))
      .map((path) => `${path}: missing: kernel ${stem} has five files of one stem`);
  });
}

function twinsOf(stem: string): string[] {
  return [
    `shaders/${stem}.wgsl`,
    `src/kernels/${stem}.ts`,
    `src/reference/${stem}.ts`,
    `tests/kernels/${stem}_test.ts`,
    `bench/kernels/${stem}_bench.ts`,
  ];
}
