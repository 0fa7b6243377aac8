/**
 * What is compared: a profile, what stays of prompts, and which layers share.
 *
 * @module
 */

import { SHARING_PROFILE_NAMES } from "../../codec/profile.ts";
import type { ProfileOptions, SharedLayer } from "../../runtime/types.ts";
import { findSharedLayers, KVSHARER, parseShare } from "../../runtime/layer_map.ts";
import type { LoadedModel } from "../../runtime/load_model.ts";
import { calibrationOwner } from "../../runtime/fingerprint.ts";
import { KEEP_EVERYTHING, keepMethod } from "../../runtime/keep_options.ts";

/** A method before the model is known. */
export interface MethodRequest {
  /** As the command line has it, e.g. `kvsharer:8+chunkkv:ratio=0.5`. */
  name: string;
  /** What stays of prompts, as `--keep` has it; null for all. */
  keep: string | null;
  /** Which layers share, as `--share` has it; null for none. */
  share: string | null;
}

/** A method for a model. */
export interface Method extends MethodRequest {
  sharedLayers: readonly SharedLayer[];
}

/** A profile beside which methods are measured. */
export interface MethodProfile {
  name: string;
  profile: ProfileOptions;
}

/**
 * Parses methods with commas between them: `all`, what `--keep` and `--share` take, with `:` where
 * their settings have commas, and several put together with `+`.
 *
 * @throws {RangeError} Naming what is wrong.
 */
export function parseMethods(list: string): MethodRequest[] {
  return list.split(",").map((name) => {
    const request: MethodRequest = { name, keep: null, share: null };
    for (const part of name.split("+")) {
      const [kind, ...settings] = part.split(":");
      if (kind === KVSHARER) {
        if (request.share !== null) {
          throw new RangeError(`Cannot evaluate ${name}: it shares twice`);
        }
        parseShare(part);
        request.share = part;
      } else if (SHARING_PROFILE_NAMES.includes(kind)) {
        throw new RangeError(`Cannot evaluate ${name}: ${kind} is a codec; name it in --profiles`);
      } else if (part !== KEEP_EVERYTHING) {
        const own = settings.length === 0 ? kind : `${kind}:${settings.join(",")}`;
        request.keep = request.keep === null ? own : `${request.keep},${own}`;
        keepMethod(request.keep);
      }
    }
    return request;
  });
}

/** @throws {EngineError} If the layers that share are not known. */
export async function resolveMethods(
  model: LoadedModel,
  requests: readonly MethodRequest[],
): Promise<Method[]> {
  return await Promise.all(requests.map(async (request) => {
    const { share } = request;
    const sharedLayers = share === null
      ? []
      : await findSharedLayers(share, calibrationOwner(model));
    return { ...request, sharedLayers };
  }));
}
