/**
 * Writing to stdout what `console.log` cannot: parts of lines, and bytes.
 *
 * @module
 */

/** What shells report of a program that SIGPIPE has ended: 128 and the number of the signal. */
export const STDOUT_CLOSED_EXIT_CODE = 141;

/** Stdout is closed, as after `| head`: no failure, but a reason to end. */
export class StdoutClosed extends Error {
  override name = "StdoutClosed";
}

/**
 * Writes all of `bytes` at once.
 *
 * @throws {StdoutClosed} If its reader has closed it.
 */
export function writeStdout(bytes: Uint8Array): void {
  try {
    for (let offset = 0; offset < bytes.length;) {
      offset += Deno.stdout.writeSync(bytes.subarray(offset));
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.BrokenPipe)) throw cause;
    throw new StdoutClosed("Cannot write to stdout: nobody reads it", { cause });
  }
}
