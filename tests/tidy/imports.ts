/** Who may import whom. */

import { posix } from "node:path";
import { pathsLike, type Sources } from "./sources.ts";

// At the start of a line, so that examples in comments do not count.
const STATIC_IMPORT = /^(?:import|export)\b(?:[^;"']*?\bfrom)?\s*"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"/g;
const WORKER_URL = /new URL\(\s*"(\.[^"]+\.(?:ts|wgsl|mjs))",\s*import\.meta\.url/g;

/** Which folders of `src/` a folder may import, beside itself. */
const SRC_TABLE: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gguf: ["core"],
  tokenizer: ["core", "gguf"],
  codec: ["core"],
  calibration: ["core", "codec"],
  gpu: ["core"],
  kernels: ["core", "codec", "gpu"],
  reference: ["core", "codec", "gguf"],
  scheduler: ["core"],
  kvcache: ["core", "codec", "gpu", "kernels", "scheduler"],
  model: ["core", "codec", "gguf", "gpu", "kernels", "kvcache", "scheduler"],
  grammar: ["core", "tokenizer"],
  engine: [
    "core",
    "calibration",
    "codec",
    "gguf",
    "gpu",
    "grammar",
    "kernels",
    "kvcache",
    "model",
    "scheduler",
    "tokenizer",
  ],
};

/** What else may be imported, by the longest prefix of the importer's path. */
const OUTER_TABLE: readonly [importer: string, allowed: RegExp][] = [
  ["mod.ts", /^src\/(core|engine|tokenizer)\//],
  ["src/kernels/", /^shaders\//],
  ["server/cli/", /^(server|src\/(core|gguf|tokenizer|engine)|bench)\/|^(mod\.ts|deno\.json)$/],
  ["server/", /^(server|src\/(core|gguf|tokenizer|engine))\/|^(mod\.ts|deno\.json)$/],
  ["bench/", /^(src|bench|shaders|tests\/support)\/|^mod\.ts$/],
  ["tests/", /^(src|server|tests|bench|shaders)\/|^(mod\.ts|deno\.json|packkv)$/],
];

/** One import: of a path in the repository, or of a name such as `hono` or `node:path`. */
export interface Import {
  specifier: string;
  /** Path in the repository; null for a name. */
  path: string | null;
}

/** All imports of a module, also of workers and texts named by URL. */
export function importsOf(path: string, text: string): Import[] {
  return [STATIC_IMPORT, DYNAMIC_IMPORT, WORKER_URL].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, specifier]) => ({
      specifier,
      path: specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : null,
    }))
  );
}

/** Imports that the tables do not allow, and names that the import map does not know. */
export function importViolations(sources: Sources): string[] {
  const config = JSON.parse(sources.get("deno.json") ?? "{}");
  const known: string[] = Object.keys(config.imports ?? {});
  return pathsLike(sources, /\.ts$/).flatMap((path) =>
    importsOf(path, sources.get(path)!).flatMap(({ specifier, path: target }) => {
      const reason = target === null
        ? refuseName(path, specifier, known)
        : refusePath(path, target);
      return reason === null ? [] : [`${path}: may not import ${target ?? specifier}: ${reason}`];
    })
  );
}

function refuseName(importer: string, name: string, known: readonly string[]): string | null {
  if (name.startsWith("node:")) return null;
  if (!known.some((each) => name === each || name.startsWith(`${each}/`))) {
    return "not a name of the import map in deno.json";
  }
  if (name === "@std/assert" && /^(src|server)\//.test(importer)) return "assertions are for tests";
  return null;
}

function refusePath(importer: string, target: string): string | null {
  const from = srcFolder(importer);
  const to = srcFolder(target);
  if (from !== null && to !== null) {
    const allowed = SRC_TABLE[from];
    if (allowed === undefined) return `src/${from} is not in the table`;
    const isAllowed = from === to || allowed.includes(to);
    return isAllowed ? null : `${from} sees only ${allowed.join(", ") || "itself"}`;
  }
  const row = OUTER_TABLE.find(([prefix]) => importer.startsWith(prefix));
  if (row?.[1].test(target)) return null;
  return `${row?.[0] ?? importer} may see ${row?.[1].source ?? "its own folder's table only"}`;
}

function srcFolder(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}
