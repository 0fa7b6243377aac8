import type { CacheShape } from "../kvcache/cache_shape.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { KeptReport } from "../scheduler/keep/keeping.ts";
import type { KeptPrompt } from "./types.ts";

/** What stayed of a prompt, by layer: a store's tokens are those of the layer that writes it. */
export function keptPrompt(
  { method, sealedTokenCount, tokenCounts, recordWords, keyChannelCounts }: KeptReport,
  { stores, storeOf }: Pick<CacheShape, "stores" | "storeOf">,
): KeptPrompt {
  const layers = storeOf.map((store, layer) => {
    if (store === null || stores[store].layer !== layer) return { tokens: 0, bytes: 0 };
    const own = { tokens: tokenCounts[store], bytes: recordWords[store] * WORD_SIZE_BYTES };
    return keyChannelCounts ? { ...own, keyChannels: keyChannelCounts[store] } : own;
  });
  return { method, sealedTokenCount, layers };
}
