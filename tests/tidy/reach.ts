/** Files nobody uses, and kernels that lack a twin. */

import { importsOf } from "./imports.ts";
import { pathsLike, type Sources } from "./sources.ts";

/** What is started or published by name. */
const PRODUCT_ENTRIES = [
  "mod.ts",
  "server/main.ts",
  "server/setup/prepare.ts",
  "src/codec/mod.ts",
];
/** Parts of `src/` that tests and benches may use alone: twins, writers of model files. */
const SHARED_WITH_TESTS = /^src\/(reference|gguf|core\/std)\//;
const TEST_ENTRY = /^(tests\/.*_test|bench\/.*_bench)\.ts$/;
/** Programs that tasks run. */
const TASK_ENTRY = /\b(?:tests|bench)\/[\w/]+\.ts\b/g;

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
  const tasks = sources.get("deno.json")?.match(TASK_ENTRY) ?? [];
  const tests = reachable(sources, [...pathsLike(sources, TEST_ENTRY), ...tasks]);
  return pathsLike(sources, /^(src|server|shaders|tests|bench)\/.*\.(ts|wgsl|mjs)$/)
    .filter((path) => {
      if (product.has(path)) return false;
      if (/^(tests|bench)\//.test(path) || SHARED_WITH_TESTS.test(path)) return !tests.has(path);
      return true;
    })
    .map((path) => `${path}: dead: no program, test or published module leads to it`);
}

const SHADER = /^shaders\/([^/]+)\/([^/]+)\.wgsl$/;
const REFERENCE = /^src\/reference\/([^/.]+)(?:\/([^/]+))?\.ts$/;

/** Variants of operations that lack one of their five files, and shaders outside an operation. */
export function twinViolations(sources: Sources): string[] {
  const shaders = pathsLike(sources, /^shaders\/[^/]+\.wgsl$/)
    .map((path) => `${path}: outside: a shader lies in the folder of its operation, or in lib`);
  const named = [...sources.keys()].flatMap((path) => {
    const [, operation, variant] = SHADER.exec(path) ?? REFERENCE.exec(path) ?? [];
    return operation === undefined || operation === "lib" ? [] : [{ operation, variant }];
  });
  const known = new Set(named.filter(({ variant }) => variant).map(({ operation }) => operation));
  const variants = new Set(
    named.filter(({ operation, variant }) => variant || !known.has(operation))
      .map(({ operation, variant = "*" }) => `${operation}/${variant}`),
  );
  const missing = [...variants].sort().flatMap((variant) =>
    twinsOf(variant).filter((paths) => !paths.some((path) => sources.has(path)))
      .map(([path]) => `${path}: missing: variant ${variant} has five files`)
  );
  return [...shaders, ...missing];
}

/** Shaders whose first line does not name them, which is how errors find their lines. */
export function fileLineViolations(sources: Sources): string[] {
  return pathsLike(sources, /^shaders\/.*\.wgsl$/)
    .filter((path) => !sources.get(path)!.startsWith(`//: file ${path}\n`))
    .map((path) => `${path}:1: begins with "//: file ${path}"`);
}

/** The five files of a variant; some may be one for all variants of the operation. */
function twinsOf(variant: string): string[][] {
  const [operation] = variant.split("/");
  return [
    [`shaders/${variant}.wgsl`],
    [`src/kernels/${variant}.ts`],
    [`src/reference/${operation}.ts`, `src/reference/${variant}.ts`],
    [`tests/kernels/${operation}_test.ts`, `tests/kernels/${variant}_test.ts`],
    [`bench/kernels/${operation}_bench.ts`, `bench/kernels/${variant}_bench.ts`],
  ];
}
