/**
 * What `--share` asks for: layers that read what others keep, or a codec whose layers read codes of
 * others.
 *
 * @module
 */

import { SHARING_PROFILE_NAMES, sharingProfile } from "../codec/profile.ts";
import type { ProfileOptions } from "../codec/profile_types.ts";
import { KVSHARER, parseShare } from "./layer_map.ts";

/** One of the two. */
export interface Share {
  /** The text, if it says which layers share. */
  layers: string | null;
  /** The profile, if it names one. */
  profile: ProfileOptions | null;
}

/**
 * Reads `kvsharer:N`, `kvsharer:FILE`, or a profile as in `xquant:bits=2,shrink=1`.
 *
 * @throws {RangeError} Naming what is wrong and what would be right.
 */
export function readShare(text: string): Share {
  const profile = sharingProfile(text);
  if (profile !== null) return { layers: null, profile };
  const names = text.split(",").map((part) => part.split(":", 1)[0]);
  const other = SHARING_PROFILE_NAMES.find((name) => names.includes(name));
  if (other !== undefined) {
    throw new RangeError(
      `Cannot use --share ${text}: it takes one method; for both write --profile ${other} and ` +
        `--share ${KVSHARER}:N`,
    );
  }
  if (!text.startsWith(`${KVSHARER}:`)) {
    throw new RangeError(
      `Cannot use --share ${text}: wanted ${KVSHARER}:N, layers that share, ${KVSHARER}:FILE, or ` +
        SHARING_PROFILE_NAMES.join(", "),
    );
  }
  parseShare(text);
  return { layers: text, profile: null };
}
