/** Where files are kept that can be made again. */

import { join } from "node:path";

/** A path below `${XDG_CACHE_HOME:-~/.cache}/packkv`; it need not exist. */
export function userCachePath(...names: readonly string[]): string {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE") || ".";
  const base = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return join(base, "packkv", ...names);
}
