/** What all stored blocks of a model on a device have in common. */

import type { AdapterFacts } from "../gpu/gpu.ts";

/** Part of the name of every stored block: blocks of another version are not found. */
export const STORE_VERSION = 2;

/**
 * What the bytes of a block depend on beside its tokens. The adapter is part of it, what its probe
 * found, and which kernels tuning chose: sums may be ordered differently, and a
 * text must not depend on what is in the cache.
 *
 * @param content Codec and policy.
 */
export function prefixRoot(facts: AdapterFacts, fingerprint: string, content: string): string {
  const { name, driver, isFallback, subgroupLanes, hasTeams } = facts;
  const { roundsToEven, halfRounding, hasF16, hasDot4 } = facts;
  const lanes = [isFallback, subgroupLanes, hasTeams];
  const probed = [...lanes, roundsToEven, halfRounding, hasF16, hasDot4];
  const tuned = Object.entries(facts.tuned).sort();
  const device = [name, driver, ...probed, ...(tuned.length > 0 ? [tuned] : [])];
  return JSON.stringify([STORE_VERSION, fingerprint, content, device]);
}
