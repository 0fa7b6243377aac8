/**
 * Choices that were measured, in the user's cache folder: a file for each device, driver, runtime
 * and state of the kernels, since any of them may change which way is the fastest.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { userCachePath } from "../core/cache_folder.ts";
import { EngineError } from "../core/errors.ts";
import type { AdapterFacts } from "../gpu/gpu.ts";
import { writeAtomically } from "../tiers/atomic_file.ts";

/** Of the files' form. */
const VERSION = 1;

/** Choices by key: the winner's name and its gain. */
export type KeptChoices = Readonly<Record<string, { name: string; gain: number }>>;

/** Where kernels come from: texts, and what puts them together. */
const KERNEL_FOLDERS = ["../../shaders", "../kernels"].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url))
);

/** Versions of kernel drivers on Linux; elsewhere a driver comes with the system's release. */
const DRIVER_VERSION_PATHS = ["nvidia", "amdgpu", "i915", "xe"].map((name) =>
  `/sys/module/${name}/version`
);

/** Path of the file of a device as it is now; it need not exist. */
export function choicesPath(facts: AdapterFacts, folder = userCachePath("tuning")): string {
  const { tuned: _, ...device } = facts;
  const system = [Deno.build.os, Deno.build.arch, Deno.osRelease(), ...driverVersions()];
  const name = digest(JSON.stringify([VERSION, device, system, Deno.version.deno, kernelHash()]));
  return join(folder, `${name}.json`);
}

/**
 * What the file holds; nothing if it is not there.
 *
 * @param onDamaged Gets what is wrong with a damaged file; it holds nothing then.
 */
export async function readChoices(
  path: string,
  onDamaged: (message: string) => void,
): Promise<KeptChoices> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  try {
    return parsed(JSON.parse(text));
  } catch (error) {
    onDamaged(`${path} is damaged and measured again: ${(error as Error).message}`);
    return {};
  }
}

/** @throws {EngineError} `storage_failed` if it cannot be written. */
export async function writeChoices(path: string, choices: KeptChoices): Promise<void> {
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true });
    const text = `${JSON.stringify({ version: VERSION, choices }, null, 2)}\n`;
    await writeAtomically(path, new TextEncoder().encode(text));
  } catch (cause) {
    const message = `Cannot keep what tuning chose at ${path}: ${(cause as Error).message}`;
    throw new EngineError("storage_failed", message, { cause });
  }
}

function parsed(value: { version: number; choices: KeptChoices }): KeptChoices {
  const areChoices = Object.values(value.choices).every(({ name, gain }) =>
    typeof name === "string" && Number.isFinite(gain)
  );
  if (value.version !== VERSION || !areChoices) throw new TypeError("it has another form");
  return value.choices;
}

function driverVersions(): string[] {
  return DRIVER_VERSION_PATHS.map((path) => {
    try {
      return Deno.readTextFileSync(path).trim();
    } catch {
      return ""; // another driver's, or another system
    }
  });
}

/** Of all files that a kernel's text is made of. */
function kernelHash(): string {
  const hash = createHash("sha256");
  for (const path of KERNEL_FOLDERS.flatMap(filesIn)) hash.update(Deno.readFileSync(path));
  return hash.digest("hex");
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? filesIn(join(folder, name)) : [join(folder, name)]
    );
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
