/**
 * Files that are whole or not there: written under a temporary name beside the final one, synced to
 * the disk, then renamed.
 *
 * @module
 */

/** Ending of files that are being written, also of those that a crash leaves. */
export const UNFINISHED = ".tmp";

/**
 * Writes a file in the place of the one at `path`, if there is one.
 *
 * @throws What writing throws, as when the disk is full; nothing is left of the file then.
 */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.${crypto.randomUUID()}${UNFINISHED}`;
  try {
    await writeSynced(unfinished, bytes);
    await Deno.rename(unfinished, path);
  } catch (error) {
    await Deno.remove(unfinished).catch(() => {});
    throw error;
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true });
  try {
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
    await file.syncData();
  } finally {
    file.close();
  }
}
