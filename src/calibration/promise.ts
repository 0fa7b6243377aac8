/**
 * What profiles promise on any model. `decisions/47_promises_are_measured.md`.
 *
 * @module
 */

import { BANDED_PROFILES } from "../codec/banded/settings.ts";
import type { CodecProfile } from "../codec/profile_types.ts";

/** Mean KL in nats, by profile. */
const PROMISED: Partial<Record<CodecProfile["name"], number>> = { "near-lossless": 0.005 };

/** The mean KL that a profile promises; null if it promises none, or has not its own steps. */
export function promisedDivergence(profile: CodecProfile): number | null {
  const promised = PROMISED[profile.name];
  if (promised === undefined || !("keyStep" in profile)) return null;
  const own = BANDED_PROFILES.profile({ name: profile.name });
  const isOwn = profile.keyStep === own.keyStep && profile.valueStep === own.valueStep;
  return isOwn ? promised : null;
}
