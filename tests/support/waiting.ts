/**
 * Waiting, and time, in tests: a busy machine makes them late, never wrong.
 *
 * @module
 */

/** After which what is waited for counts as never coming: far above what any of it takes. */
export const GIVE_UP_MS = 120_000;
const POLL_MS = 5;

/**
 * Polls until `condition` holds.
 *
 * @throws {Error} If it does not within two minutes; names the condition.
 */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + GIVE_UP_MS;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`Condition never held: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Milliseconds that a thread has run on a core: what others take of the machine does not count.
 * Outside of Linux the time that has passed.
 *
 * @param pid Process whose first thread is meant; the calling thread if left out.
 */
export function threadMs(pid?: number): number {
  const folder = pid === undefined ? "thread-self" : `${pid}/task/${pid}`;
  try {
    const [nanoseconds] = Deno.readTextFileSync(`/proc/${folder}/schedstat`).split(" ");
    return Number(nanoseconds) / 1e6;
  } catch (error) {
    if (Deno.build.os === "linux" && !(error instanceof Deno.errors.NotFound)) throw error;
    return performance.now();
  }
}

/**
 * Counts turns of this thread's event loop, at most one in `intervalMs`. Where the thread is held
 * up they come later, so that what its own timers do is within a number of turns on any machine.
 */
export function countTurns(intervalMs: number): { readonly count: number; stop(): void } {
  const turns = { count: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => turns.count++, intervalMs);
  return turns;
}
