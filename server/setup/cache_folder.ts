/**
 * Where downloads are kept: the same folder as `packkv`, the script, uses.
 *
 * @module
 */

import { userCachePath } from "../../src/core/cache_folder.ts";
import { SetupError } from "./setup_error.ts";

/**
 * `${XDG_CACHE_HOME:-~/.cache}/packkv`; it need not exist yet.
 *
 * @throws {SetupError} If neither `XDG_CACHE_HOME` nor `HOME` (Windows: `USERPROFILE`) is set.
 */
export function cacheFolder(): string {
  if (!["XDG_CACHE_HOME", "HOME", "USERPROFILE"].some((name) => Deno.env.get(name))) {
    throw new SetupError("Cannot choose a folder for downloads: HOME is not set");
  }
  return userCachePath();
}
