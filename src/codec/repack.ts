/**
 * The order of a block's tokens before packing. Attention over fully visible tokens does not depend
 * on it, so it is not stored. FORMAT.md section 3.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { VALUE } from "./record.ts";
import type { QuantisedBlock } from "./quantised.ts";
import { greedyOrder } from "./repack_greedy.ts";
import { type Setting, wordChoice } from "./settings.ts";

/** How the tokens of a block are ordered before packing. */
export type RepackRule = "none" | "median" | "greedy";

/** The setting of codecs whose tokens can be reordered. */
export const REPACK_SETTING: Setting<RepackRule> = wordChoice({
  flag: "repack",
  placeholder: "RULE",
  help: "order of tokens before packing",
  values: ["none", "median", "greedy"],
  silent: "none",
});

/**
 * The order of a block's tokens under a rule.
 *
 * @param packSize Tokens per pack: 4, 8, 16 or 32. Only the greedy order depends on it.
 *
 * @returns `[64]`: the original token at each packed place. Absent tokens keep their places.
 */
export function repackOrder(
  rule: RepackRule,
  block: QuantisedBlock,
  packSize: number,
): Uint32Array {
  const order = Uint32Array.from({ length: BLOCK_TOKEN_COUNT }, (_, token) => token);
  if (rule === "greedy") order.set(greedyOrder(block, packSize));
  if (rule === "median") sortByMedian(order.subarray(0, block.tokenCount), block);
  return order;
}

function sortByMedian(tokens: Uint32Array, block: QuantisedBlock): void {
  const medians = Array.from(
    { length: block.tokenCount },
    (_, token) => medianCode(block.sides[VALUE].codes, token),
  );
  tokens.sort((a, b) => medians[b] - medians[a] || a - b);
}

/** Lower median of a token's codes. `codes` is u8 `[channels][64]`. */
function medianCode(codes: Uint8Array, token: number): number {
  const channelCount = codes.length / BLOCK_TOKEN_COUNT;
  const own = new Uint8Array(channelCount);
  for (let channel = 0; channel < channelCount; channel++) {
    own[channel] = codes[channel * BLOCK_TOKEN_COUNT + token];
  }
  return own.sort()[(channelCount - 1) >> 1];
}
