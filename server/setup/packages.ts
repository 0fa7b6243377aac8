/**
 * The npm packages that the program imports: whether they are there, and fetching them. Runs before
 * the program and imports none of them.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WebGpuName } from "../../src/core/adapter_options.ts";
import { ProgressLine } from "./progress.ts";
import { SetupError } from "./setup_error.ts";

/** Names of the packages that the program imports; tests and plots need more. */
export const PACKAGE_NAMES: readonly string[] = [
  "@eslint-community/regexpp",
  "@hono/node-server",
  "@huggingface/hub",
  "@huggingface/jinja",
  "@huggingface/tokenizers",
  "@mlc-ai/web-xgrammar",
  "@msgpack/msgpack",
  "@opentelemetry/api",
  "@redis/client",
  "hono",
  "marked",
  "prom-client",
  "smol-toml",
  "swagger-ui-dist",
  "zod",
];

const POLL_INTERVAL_MS = 200;

/**
 * Where Deno looks for packages, as its `--node-modules-dir` names it: `manual` is the checkout's
 * `node_modules` as it is, `none` the cache of this user.
 */
export type PackageSource = "manual" | "none";

/**
 * Finds the packages, and fetches them where they are missing: into `node_modules` of the checkout,
 * or into this user's cache if the checkout cannot be written.
 *
 * @param root Folder of the checkout.
 * @throws {SetupError} If they cannot be fetched, with the reason.
 */
export async function ensurePackages(
  root: string,
  progress = new ProgressLine(),
): Promise<PackageSource> {
  if (missingPackages(root).length === 0) return "manual";
  if (isWritable(root)) {
    await fetchPackages(runOf(root, "auto"), progress);
    return manualSource(root);
  }
  const [command, ...options] = runOf(root, "none");
  const isCached = await runDeno([command, "--cached-only", ...options]) === null;
  if (!isCached) await fetchPackages(runOf(root, "none"), progress);
  return "none";
}

/**
 * Like {@link ensurePackages}, with the packages of tests. Types are checked for tests, which needs
 * more than is imported: Deno adds that to a checkout that can be written.
 */
export async function ensureTestPackages(
  root: string,
  progress = new ProgressLine(),
): Promise<"auto" | "none"> {
  if (!isWritable(root)) return "none";
  if (missingPackages(root, [...packageVersions(root).keys()]).length > 0) {
    await fetchPackages(["install", ...optionsOf(root, "auto")], progress);
  }
  return "auto";
}

/**
 * Fetches the package of Dawn if a GPU is to be opened by it and `node_modules` lacks it. Where
 * the checkout cannot be written, Deno fetches it into this user's cache as it is imported.
 *
 * @param webgpu Whose WebGPU is used; the runtime's own needs nothing.
 * @throws {SetupError} If it cannot be fetched, with the reason.
 */
export async function ensureDawn(
  webgpu: WebGpuName | undefined,
  progress = new ProgressLine(),
  root = fileURLToPath(new URL("../..", import.meta.url)),
): Promise<void> {
  if (webgpu !== "dawn" || missingPackages(root, ["webgpu"]).length === 0) return;
  if (!isWritable(root)) return;
  const program = ["eval", ...optionsOf(root, "auto"), 'await import("webgpu")'];
  await fetchPackages(program, progress, "fetching Dawn, 51 MB (once)");
}

/**
 * A run of the program that does nothing: what Deno runs, it fetches. What only a worker imports is
 * run before it.
 */
function runOf(root: string, source: PackageSource | "auto"): string[] {
  const program = join(root, "server/main.ts");
  const preload = ["--preload", join(root, "src/tiers/store_tier.ts")];
  return ["run", "-A", ...optionsOf(root, source), ...preload, program, "version"];
}

function optionsOf(root: string, source: PackageSource | "auto"): string[] {
  return ["--quiet", `--node-modules-dir=${source}`, "--config", join(root, "deno.json")];
}

function manualSource(root: string): PackageSource {
  const missing = missingPackages(root);
  if (missing.length === 0) return "manual";
  throw new SetupError(`Cannot find ${missing.join(", ")} in ${join(root, "node_modules")}`);
}

/** Which of `names` `node_modules` lacks in the version that `deno.json` asks for. */
export function missingPackages(root: string, names = PACKAGE_NAMES): string[] {
  const versions = packageVersions(root);
  return names.filter((name) => installedVersion(root, name) !== versions.get(name));
}

/** Versions by the names of all packages that `deno.json` imports. */
export function packageVersions(root: string): Map<string, string> {
  const { imports } = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  const specifiers = Object.values(imports as Record<string, string>);
  return new Map(specifiers.flatMap((specifier) => {
    const [, name, version] = /^npm:(@?[^@]+)@(.+)$/.exec(specifier) ?? [];
    return name === undefined ? [] : [[name, version] as const];
  }));
}

function installedVersion(root: string, name: string): string | null {
  try {
    const text = Deno.readTextFileSync(join(root, "node_modules", name, "package.json"));
    return JSON.parse(text).version;
  } catch {
    return null; // missing, cut short or not for this user to read: all mean that it cannot be used
  }
}

/** Whether this user can write the checkout's `node_modules`; permissions do not say all. */
export function isWritable(root: string): boolean {
  const folder = join(root, "node_modules");
  try {
    Deno.mkdirSync(folder, { recursive: true });
    Deno.removeSync(Deno.makeTempDirSync({ dir: folder, prefix: ".packkv-" }));
    return true;
  } catch {
    return false;
  }
}

/** Runs Deno so that it fetches. */
async function fetchPackages(
  args: readonly string[],
  progress: ProgressLine,
  message = "fetching npm packages (once)",
): Promise<void> {
  const show = () => progress.update(message);
  const poll = setInterval(show, POLL_INTERVAL_MS);
  const reason = await runDeno(args).finally(() => {
    clearInterval(poll);
    progress.finish();
  });
  if (reason !== null) throw new SetupError(`Cannot fetch the npm packages: ${reason}`);
}

/** Null if it succeeds, else what Deno said, without its stack. */
async function runDeno(args: readonly string[]): Promise<string | null> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (success) return null;
  const [reason] = new TextDecoder().decode(stderr).split(/\n\s*Stack backtrace:/);
  return reason.trim().replace(/^error: /, "");
}
