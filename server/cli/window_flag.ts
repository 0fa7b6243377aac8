/**
 * `--window`: how many of the newest tokens stay raw.
 *
 * @module
 */

import { windowBlocks } from "../../src/core/shapes.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/**
 * The tokens that `--window` asks for; null if it is left out.
 *
 * @throws {UsageError} If they are no multiple of 64 in range.
 */
export function readWindow(flags: Flags): number | null {
  const text = flags.text("window");
  return text === null ? null : windowOf(text);
}

/**
 * All lengths of a list.
 *
 * @throws {UsageError} If one is no multiple of 64 in range, or stands twice.
 */
export function readWindows(flags: Flags): number[] | null {
  const windows = flags.text("window")?.split(",").map(windowOf) ?? null;
  const twice = windows?.find((window, index) => windows.indexOf(window) !== index);
  if (twice !== undefined) throw new UsageError(`Cannot use --window ${twice} twice`);
  return windows;
}

function windowOf(text: string): number {
  const count = text.trim() === "" ? NaN : Number(text);
  try {
    windowBlocks(count);
    return count;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`Cannot use --window ${text}: ${error.message}`);
  }
}
