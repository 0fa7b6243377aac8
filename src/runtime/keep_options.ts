/**
 * Which methods can keep less of prompts in a cache.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { EngineError } from "../core/errors.ts";
import { dropGap, gatherGap } from "../kvcache/codecs/registry.ts";
import type { KeepMethod } from "../scheduler/keep/method.ts";
import { KEEP_EVERYTHING, keepMethod } from "../scheduler/keep/registry.ts";
import type { SealPolicy } from "../scheduler/seal_policies/policy.ts";

/**
 * The method that a text asks for, for a cache of a codec; null if it asks for everything.
 *
 * @throws {EngineError} `invalid_request` naming what is wrong, or what it cannot be put together
 * with.
 */
export function checkedKeep(
  text: string,
  { codec, windowBlockCount, policy = null }: {
    codec: AnyCodec;
    windowBlockCount: number;
    policy?: SealPolicy | null;
  },
): KeepMethod | null {
  if (windowBlockCount === 0) {
    refuse(
      "Cannot use --keep with --window 0: what the last queries look at must not be sealed; " +
        "use a window of 64 or more",
    );
  }
  const gap = gatherGap(codec);
  if (gap !== null) refuse(`Cannot use --keep with --profile ${codec.profile.name}: ${gap}`);
  if (policy !== null && policy.id !== null) {
    refuse(`Cannot use --keep with seal policy ${policy.id}: both say which tokens stay`);
  }
  try {
    const method = keepMethod(text);
    const whole = method?.keepChannels ? dropGap(codec) : null;
    if (whole === null) return method;
    return refuse(
      `Cannot use --keep ${text} with --profile ${codec.profile.name}: ${whole}; ` +
        "wanted balanced, near-lossless or tight",
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse(error.message);
  }
}

export { KEEP_EVERYTHING, keepMethod };

function refuse(message: string): never {
  throw new EngineError("invalid_request", message, { param: "keep" });
}
