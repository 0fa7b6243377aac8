/**
 * One process at a time: a lock the system gives back when its holder ends, however it ends.
 *
 * @module
 */

import { dirname } from "node:path";
import { SetupError } from "./setup_error.ts";

/**
 * Runs `work` while holding the lock file at `path`, which is created if missing and stays, as
 * is its folder.
 *
 * @param path A file nobody reads, beside what `work` writes.
 * @param onWait Called once if another process holds it.
 * @throws {SetupError} If it cannot be created: then `work` could not write there either.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void = () => {},
): Promise<T> {
  using file = await openLock(path);
  if (!await file.tryLock(true)) {
    onWait();
    await file.lock(true);
  }
  try {
    return await work();
  } finally {
    await file.unlock();
  }
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    return await Deno.open(path, { create: true, write: true });
  } catch (error) {
    throw new SetupError(
      `Cannot fetch to ${dirname(path)}: ${(error as Error).message}; set XDG_CACHE_HOME to a ` +
        "folder that can be written, or give a GGUF file with --model PATH",
      { cause: error },
    );
  }
}
