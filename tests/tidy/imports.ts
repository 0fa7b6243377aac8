/** Who may import whom. */

import { posix } from "node:path";
import { pathsLike, type Sources } from "./sources.ts";

// At the start of a line, so that examples in comments do not count.
const STATIC_IMPORT = /^(?:import|export)\b(?:[^;"']*?\bfrom)?\s*"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"/g;
const WORKER_URL = /new URL\(\s*"(\.[^"]+\.(?:ts|wgsl|mjs))",\s*import\.meta\.url/g;

/**
 * Which folders of `src/` a folder may import, beside itself: rows above its own only, so that no
 * import leads up. The table of src/README.md is the same.
 */
const SRC_TABLE: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gguf: ["core"],
  tokenizer: ["core", "gguf"],
  grammar: ["core", "tokenizer"],
  codec: ["core"],
  gpu: ["core"],
  kernels: ["core", "gguf", "codec", "gpu"],
  reference: ["core", "codec", "gguf"],
  scheduler: ["core"],
  tiers: ["core", "codec", "scheduler"],
  calibration: ["core", "codec", "tiers"],
  kvcache: ["core", "codec", "gpu", "kernels", "scheduler"],
  model: ["core", "codec", "gguf", "gpu", "kernels", "scheduler", "kvcache"],
  tuning: [
    "core",
    "gguf",
    "codec",
    "gpu",
    "kernels",
    "reference",
    "tiers",
    "kvcache",
    "model",
  ],
  runtime: [
    "core",
    "gguf",
    "tokenizer",
    "codec",
    "gpu",
    "kernels",
    "scheduler",
    "tiers",
    "calibration",
    "kvcache",
    "model",
    "tuning",
  ],
  engine: [
    "core",
    "gguf",
    "tokenizer",
    "grammar",
    "codec",
    "scheduler",
    "tiers",
    "calibration",
    "model",
    "runtime",
  ],
  device_report: ["core", "gguf", "gpu", "codec", "kernels", "reference", "model"],
  evaluation: ["core", "tokenizer", "codec", "calibration", "model", "runtime", "engine"],
};

/** What else may be imported, by the longest prefix of the importer's path. */
const OUTER_TABLE: readonly [importer: string, allowed: RegExp][] = [
  ["mod.ts", /^src\/(core|codec|engine|tokenizer)\//],
  ["src/kernels/", /^shaders\//],
  [
    "server/cli/",
    new RegExp(
      "^(server|src/(core|gguf|tokenizer|codec|runtime|engine|evaluation|device_report))/|" +
        "^(mod\\.ts|deno\\.json)$",
    ),
  ],
  ["server/measure/", /^(server\/measure|src\/evaluation)\/|^mod\.ts$/],
  ["server/", /^(server|src\/(core|gguf|tokenizer|codec|engine))\/|^(mod\.ts|deno\.json)$/],
  ["bench/", /^(src|server\/measure|bench|shaders|tests\/support)\/|^mod\.ts$/],
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

const README_PATH = "src/README.md";

/** Rows of {@link SRC_TABLE} that src/README.md has otherwise or not at all, or that lead up. */
export function importTableViolations(
  sources: Sources,
  table: Readonly<Record<string, readonly string[]>> = SRC_TABLE,
): string[] {
  const documented = tableOfReadme(sources.get(README_PATH) ?? "");
  const above: string[] = [];
  const found: string[] = [];
  for (const [folder, allowed] of Object.entries(table)) {
    const up = allowed.filter((each) => !above.includes(each));
    if (up.length > 0) found.push(`src/${folder}: ${up.join(", ")} is not above it in the table`);
    above.push(folder);
    const said = documented.get(folder) ?? null;
    if (said === null) {
      found.push(`${README_PATH}: its table has no row for ${folder}/`);
    } else if (said.join() !== allowed.toSorted().join()) {
      const wanted = allowed.join(", ") || "nothing";
      found.push(`${README_PATH}: ${folder}/ may import ${wanted}, not ${said.join(", ")}`);
    }
    documented.delete(folder);
  }
  for (const folder of documented.keys()) {
    found.push(`${README_PATH}: ${folder}/ is not a folder of the import table`);
  }
  return found;
}

/** Folders and what they may import, sorted, of rows like "| `core/` | holds | gguf, gpu |". */
function tableOfReadme(text: string): Map<string, string[]> {
  const rows = text.matchAll(/^\| `([a-z_]+)\/`\s*\|[^|]*\|([^|]*)\|$/gm);
  return new Map([...rows].map(([, folder, cell]) => {
    const names = cell.trim().split(/,\s*/).filter((name) => name !== "nothing" && name !== "");
    return [folder, names.sort()];
  }));
}

/** Circles of imports between files: each as the files of one, by path. */
export function circleViolations(sources: Sources): string[] {
  const paths = pathsLike(sources, /^(src|server|bench)\/.*\.ts$/);
  const targets = new Map(paths.map((path) => {
    const imports = importsOf(path, sources.get(path)!).map((each) => each.path ?? "");
    return [path, imports.filter((target) => sources.has(target))];
  }));
  const reached = new Map(paths.map((path) => [path, reach(path, targets)]));
  const circles = paths.flatMap((path) => {
    if (!reached.get(path)!.has(path)) return [];
    return [
      paths.filter((other) => {
        return reached.get(path)!.has(other) && reached.get(other)?.has(path);
      }).join(" → "),
    ];
  });
  return [...new Set(circles)].map((circle) => `${circle}: import one another in a circle`);
}

function reach(start: string, targets: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const waiting = [...targets.get(start) ?? []];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    waiting.push(...targets.get(path) ?? []);
  }
  return found;
}
