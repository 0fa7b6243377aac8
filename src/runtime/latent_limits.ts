import { EngineError } from "../core/errors.ts";
import type { ModelPlan } from "../model/plan.ts";

/**
 * Refuses what cannot go with latents: both read keys alone, of which a latent has one half.
 *
 * @param asked Whether parts of prompts may be dropped, and whether rows choose what they read.
 * @throws {EngineError} `invalid_request` that names what was asked for.
 */
export function checkLatents(
  { layers: [{ attention }] }: Pick<ModelPlan, "layers">,
  asked: { keep: boolean; read: boolean },
): void {
  if (attention.latent === null) return;
  for (const param of ["keep", "read"] as const) {
    if (!asked[param]) continue;
    const message = `Cannot use --${param} with a model that keeps latents: tokens are chosen by ` +
      "keys, and a latent is key and value in one";
    throw new EngineError("invalid_request", message, { param });
  }
}
