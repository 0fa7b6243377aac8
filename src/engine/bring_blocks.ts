/**
 * Brings the blocks of a prompt that are on disk or in the store to the host, before the prompt is
 * admitted.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { StoredBlock } from "../tiers/block_format.ts";
import type { TierClient } from "../tiers/tier_client.ts";
import type { Beyond } from "../scheduler/beginning.ts";
import { kindOfKey } from "../scheduler/block_key.ts";

/** Where blocks come from and go to. */
export interface Bringing {
  /** Where blocks are kept beyond the host, the nearest first. */
  tiers: readonly TierClient[];
  /** Milliseconds that reading a token takes; null: not known. */
  msPerToken: number | null;
  /** Puts a block on the host. */
  add(block: StoredBlock): void;
}

/**
 * Brings what a prompt would begin with. If only some of it comes, the prompt begins before the
 * rest: what the last place where it can takes beside sealed blocks is brought too.
 */
export async function bringBlocks({ wanted, choose }: Beyond, bringing: Bringing): Promise<void> {
  const found = await Promise.all(bringing.tiers.map((tier) => tier.look(wanted)));
  const all = new Set(found.flatMap((keys) => [...keys]));
  const keys = choose(all);
  const cameCount = await fetchAll(keys, found, bringing);
  if (cameCount === 0 || cameCount === keys.length) return;
  const beside = new Set([...all].filter((key) => kindOfKey(key) !== "sealed"));
  await fetchAll(choose(beside), found, bringing);
}

/** Fetches each key from the nearest tier that has it; how many blocks came. */
async function fetchAll(
  keys: readonly string[],
  found: readonly ReadonlySet<string>[],
  { tiers, msPerToken, add }: Bringing,
): Promise<number> {
  const placeOf = (key: string) => found.findIndex((keys) => keys.has(key));
  const fetched = await Promise.all(tiers.map((tier, place) => {
    const own = keys.filter((key) => placeOf(key) === place);
    const sealedCount = own.filter((key) => kindOfKey(key) === "sealed").length;
    const savedMs = msPerToken && msPerToken * BLOCK_TOKEN_COUNT * sealedCount;
    return own.length === 0 ? [] : tier.fetch(own, savedMs);
  }));
  const blocks = fetched.flat();
  blocks.forEach(add);
  return blocks.length;
}
