/**
 * Downloads of large files: to a `.part` file that is resumed, checked, then renamed.
 *
 * @module
 */

import { type FileDigest, fileMatches, writeMarker } from "./checksum.ts";
import { formatMegabytes, type OnProgress } from "./progress.ts";
import { SetupError } from "./setup_error.ts";

/** Tries without a single new byte after which a download is given up. */
const FRUITLESS_TRY_COUNT_MAX = 5;
const RETRY_DELAY_MS_MAX = 30_000;

/** What {@link download} fetches. */
export interface DownloadOptions {
  /** How messages call it. */
  name: string;
  url: string;
  headers: Record<string, string>;
  /** What it must be. */
  digest: FileDigest;
  onProgress: OnProgress;
  /** Wait before the first retry; doubled at each fruitless one, up to 30 s. */
  retryDelayMs: number;
}

/**
 * Downloads a file to `path`. Bytes gather in `<path>.part`, which a later call goes on with if it
 * is after the same digest. At the end there is a whole, checked file at `path` or nothing new.
 *
 * @throws {SetupError} If the server refuses, the connection stays cut, or the checksum is wrong;
 * the part is removed in the last case and kept in the others.
 */
export async function download(path: string, options: DownloadOptions): Promise<void> {
  const { name, digest } = options;
  const partPath = `${path}.part`;
  await claimPart(partPath, digest);
  let fruitlessCount = 0;
  for (;;) {
    const beforeBytes = await sizeOf(partPath);
    if (beforeBytes >= digest.sizeBytes) break;
    const failure = await fetchRest(partPath, beforeBytes, options);
    const afterBytes = await sizeOf(partPath);
    if (afterBytes >= digest.sizeBytes) break;
    fruitlessCount = afterBytes > beforeBytes ? 0 : fruitlessCount + 1;
    if (fruitlessCount >= FRUITLESS_TRY_COUNT_MAX) {
      const state = `the connection was cut at ${formatMegabytes(afterBytes)} (${failure})`;
      throw new SetupError(`Cannot fetch ${name}: ${state}; start again to go on from there`);
    }
    const delayMs = Math.min(options.retryDelayMs * 2 ** fruitlessCount, RETRY_DELAY_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
  options.onProgress(`checking ${name}`);
  if (!await fileMatches(partPath, digest)) {
    await removePart(partPath);
    throw new SetupError(`Cannot use ${name}: its checksum is wrong; what was fetched is removed`);
  }
  await Deno.rename(partPath, path);
  await writeMarker(path, digest);
  await removePart(partPath);
}

/** Notes what the part is a part of; one of another file is removed. */
async function claimPart(partPath: string, digest: FileDigest): Promise<void> {
  const claimPath = claimOf(partPath);
  const claim = `${digest.algorithm} ${digest.hash} ${digest.sizeBytes}\n`;
  const present = await Deno.readTextFile(claimPath).catch(() => "");
  if (present === claim && await sizeOf(partPath) <= digest.sizeBytes) return;
  await removePart(partPath);
  await Deno.writeTextFile(claimPath, claim);
}

/**
 * Appends what is missing, as far as the connection holds.
 *
 * @returns Why it ended early; a refusal is thrown.
 */
async function fetchRest(
  partPath: string,
  beforeBytes: number,
  options: DownloadOptions,
): Promise<string> {
  const { name, url, headers, digest, onProgress } = options;
  try {
    const range: Record<string, string> = beforeBytes > 0 ? { Range: `bytes=${beforeBytes}-` } : {};
    const response = await fetch(url, { headers: { ...headers, ...range } });
    if (response.status >= 500 || response.status === 429) {
      await response.body?.cancel();
      return `status ${response.status}`;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new SetupError(`Cannot fetch ${name}: the server answered ${response.status}`);
    }
    const isRest = response.status === 206 && startsAt(response, beforeBytes);
    using part = await Deno.open(partPath, { create: true, write: true });
    let doneBytes = isRest ? beforeBytes : 0; // a server without ranges sends all of it
    if (!isRest) await part.truncate(0);
    await part.seek(doneBytes, Deno.SeekMode.Start);
    for await (const bytes of response.body) {
      doneBytes += bytes.length;
      if (doneBytes > digest.sizeBytes) throw new SetupError(`Cannot use ${name}: it is too long`);
      await writeAll(part, bytes).catch((cause) => {
        throw new SetupError(`Cannot write ${partPath}: ${cause.message}`, { cause });
      });
      onProgress(`fetching ${name}`, doneBytes / digest.sizeBytes);
    }
    return "it ended early";
  } catch (error) {
    if (error instanceof SetupError || error instanceof Deno.errors.PermissionDenied) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

function startsAt(response: Response, offsetBytes: number): boolean {
  const range = response.headers.get("Content-Range") ?? "";
  return range.startsWith(`bytes ${offsetBytes}-`);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let writtenBytes = 0;
  while (writtenBytes < bytes.length) {
    writtenBytes += await file.write(bytes.subarray(writtenBytes));
  }
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}

async function removePart(partPath: string): Promise<void> {
  for (const path of [partPath, claimOf(partPath)]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

function claimOf(partPath: string): string {
  return `${partPath}.of`;
}
