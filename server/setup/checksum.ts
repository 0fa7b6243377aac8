/**
 * Checksums of files, and the marker that saves computing one at each start.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** What a file must be. */
export interface FileDigest {
  sizeBytes: number;
  /** Of its bytes, in lower-case hexadecimal digits. */
  hash: string;
  /** `git-sha1` is that of git objects: SHA-1 over `blob <size>\0` and the bytes. */
  algorithm: "sha256" | "git-sha1";
}

/**
 * Whether the file at `path` has this size and hash. Reads all of it.
 *
 * @throws {Deno.errors.NotFound} If there is none.
 */
export async function fileMatches(path: string, digest: FileDigest): Promise<boolean> {
  const { size } = await Deno.stat(path);
  if (size !== digest.sizeBytes) return false;
  const isGit = digest.algorithm === "git-sha1";
  const hash = createHash(isGit ? "sha1" : "sha256");
  if (isGit) hash.update(`blob ${size}\0`);
  using file = await Deno.open(path);
  const bytes = new Uint8Array(1 << 20);
  for (let count = await file.read(bytes); count !== null; count = await file.read(bytes)) {
    hash.update(bytes.subarray(0, count));
  }
  return hash.digest("hex") === digest.hash;
}

/**
 * Notes beside `path` that the file, as it is now, has been found to match `digest`. Where that
 * cannot be written, the next start reads the file again.
 */
export async function writeMarker(path: string, digest: FileDigest): Promise<void> {
  const marker = markerPath(path);
  const text = await markerText(path, digest);
  try {
    await Deno.writeTextFile(`${marker}.new`, text);
    await Deno.rename(`${marker}.new`, marker);
  } catch {
    // A folder that this user cannot write, such as one of a container image; or a full disk.
  }
}

/**
 * Whether the file at `path` was found to match `digest` and has not been touched since: its size
 * and the time of its last change are compared, not its bytes.
 */
export async function hasMarker(path: string, digest: FileDigest): Promise<boolean> {
  try {
    const [text, expected] = await Promise.all([
      Deno.readTextFile(markerPath(path)),
      markerText(path, digest),
    ]);
    return text === expected;
  } catch {
    return false; // one that cannot be read says nothing
  }
}

/** Whether the file at `path` was found to match some digest and has not been touched since. */
export async function hasAnyMarker(path: string): Promise<boolean> {
  try {
    const [, touched] = (await Deno.readTextFile(markerPath(path))).split("\n");
    return touched === await touchedText(path);
  } catch {
    return false;
  }
}

/**
 * Whether the file at `path` is there and matches `digest`. Its bytes are read only if it has no
 * marker; one is left then.
 */
export async function isVerified(path: string, digest: FileDigest): Promise<boolean> {
  if (await hasMarker(path, digest)) return true;
  try {
    if (!await fileMatches(path, digest)) return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  await writeMarker(path, digest);
  return true;
}

/** Path of the marker of the file at `path`. */
export function markerPath(path: string): string {
  return `${path}.verified`;
}

async function markerText(path: string, digest: FileDigest): Promise<string> {
  const hash = `${digest.algorithm} ${digest.hash} ${digest.sizeBytes}`;
  return `${hash}\n${await touchedText(path)}\n`;
}

async function touchedText(path: string): Promise<string> {
  const { size, mtime } = await Deno.stat(path);
  return `size ${size} changed ${mtime?.getTime() ?? 0}`;
}
