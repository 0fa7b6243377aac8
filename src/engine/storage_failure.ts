/**
 * Failures of files, reported without the paths of this machine: those go to its own log.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";

/** Errors of the system that mean a disk, a quota or a limit is reached. */
const FULL_NUMBERS: readonly number[] = [27, 28, 69, 112, 122];

/**
 * The error a caller gets if a file cannot be read or written.
 *
 * @param action What was tried, as "save slot 0".
 * @returns `storage_full` or `storage_failed`.
 */
export function storageFailure(action: string, error: unknown): EngineError {
  const text = error instanceof Error ? error.message : String(error);
  console.error(`packkv: Cannot ${action}: ${text}`);
  const [, state, number] = /^(.+?) \(os error (\d+)\)/.exec(text) ?? [];
  if (FULL_NUMBERS.includes(Number(number))) {
    const message = `Cannot ${action}: the disk of the server's folder is full (${state})`;
    return new EngineError("storage_full", message, { cause: error });
  }
  const message = `Cannot ${action}: ${state ?? "its file failed, see the server's log"}`;
  return new EngineError("storage_failed", message, { cause: error });
}
