/** What all stored blocks of a model on a device have in common. */

import { BLOCK_TOKEN_COUNT, WINDOW_BLOCK_COUNT } from "../core/shapes.ts";
import type { AdapterFacts } from "../gpu/gpu.ts";
import type { SealPolicy } from "../scheduler/seal_policies/policy.ts";
import { bitsOfChoice } from "../kernels/matmul/variants.ts";
import { isNear } from "../kvcache/store.ts";
import type { CachePlan } from "./cache_plan.ts";
import type { LoadedModel } from "./load_model.ts";

/** Part of the name of every stored block: blocks of another version are not found. */
export const STORE_VERSION = 4;

/**
 * What the bytes of a block depend on beside its tokens. The adapter is part of it, what its probe
 * found, and which kernels tuning chose, unless their bits are those of others: sums may be ordered
 * differently, and a text must not depend on what is in the cache.
 *
 * @param content Codec, policy, layers that share, how products are made and length of the window,
 * where they are not the usual ones.
 */
export function prefixRoot(facts: AdapterFacts, fingerprint: string, content: string): string {
  const { name, driver, webgpu, isFallback, subgroupLanes, hasTeams } = facts;
  const { roundsToEven, halfRounding, hasF16, hasDot4 } = facts;
  const lanes = [isFallback, subgroupLanes, hasTeams];
  const probed = [...lanes, roundsToEven, halfRounding, hasF16, hasDot4];
  const tuned = Object.entries(facts.tuned).flatMap(([key, name]) => {
    const bits = bitsOfChoice(name, facts);
    return bits === null ? [] : [[key, bits]];
  }).sort();
  const opener = webgpu === "deno" ? [] : [webgpu]; // another compiler may order sums differently
  const device = [name, driver, ...opener, ...probed, ...(tuned.length > 0 ? [tuned] : [])];
  return JSON.stringify([STORE_VERSION, fingerprint, content, device]);
}

/**
 * What is kept of a sequence, and how: the codec, what the policy drops, who keeps windows, who
 * reads what another keeps, how products are made, and how much is read raw, since what later
 * layers store follows from what earlier ones read.
 */
export function contentName(
  { codec: { identity }, shape }: CachePlan,
  { id }: SealPolicy,
  { plan: { layers }, sharedLayers = [], math = "f32" }: LoadedModel,
): string {
  const { windowBlockCount } = shape;
  const reaches = shape.stores.map((store) =>
    isNear(store) ? `sealed ${store.reach}` : store.reach ?? "all"
  ).join(" ");
  const hasWindows = shape.stores.some(({ reach }) => reach !== null);
  const sources = layers.map(({ attention }) => attention.keyValueLayer).join(" ");
  const hasExperts = layers.some(({ feedForward }) => feedForward.experts !== null);
  const parts = [
    identity,
    id,
    hasWindows ? `stores of ${reaches}` : null,
    sharedLayers.length > 0 ? `layers read ${sources}` : null,
    math === "f32" ? null : `products in ${math}${hasExperts ? ", of experts too" : ""}`,
    windowBlockCount === WINDOW_BLOCK_COUNT
      ? null
      : `window of ${windowBlockCount * BLOCK_TOKEN_COUNT}`,
  ];
  return parts.filter((part) => part !== null).join(", ");
}
