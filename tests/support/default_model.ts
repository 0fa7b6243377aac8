/** Where tests find the model that `./packkv test` downloads. */

import { defaultModelCachePath } from "../../server/setup/default_model.ts";

/** Path of the default model: `PACKKV_MODEL`, or else the place in the user's cache. */
export function defaultModelPath(): string {
  return Deno.env.get("PACKKV_MODEL") || defaultModelCachePath();
}
