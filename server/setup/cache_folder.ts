/**
 * Where downloads are kept: the same folder as `packkv`, the script, uses.
 *
 * @module
 */

import { join } from "node:path";
import { SetupError } from "./setup_error.ts";

/**
 * `${XDG_CACHE_HOME:-~/.cache}/packkv`; it need not exist yet.
 *
 * @throws {SetupError} If neither `XDG_CACHE_HOME` nor `HOME` (Windows: `USERPROFILE`) is set.
 */
export function cacheFolder(): string {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE");
  const base = Deno.env.get("XDG_CACHE_HOME") || (home && join(home, ".cache"));
  if (!base) {
    throw new SetupError("Cannot choose a folder for downloads: HOME is not set");
  }
  return join(base, "packkv");
}
