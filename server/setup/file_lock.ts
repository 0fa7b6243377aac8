/**
 * One process at a time: a lock the system gives back when its holder ends, however it ends.
 *
 * @module
 */

/**
 * Runs `work` while holding the lock file at `path`, which is created if missing and stays.
 *
 * @param path A file nobody reads; its folder must exist.
 * @param onWait Called once if another process holds it.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void = () => {},
): Promise<T> {
  using file = await Deno.open(path, { create: true, write: true });
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
