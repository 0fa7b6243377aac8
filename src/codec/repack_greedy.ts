/**
 * The greedy order of a block's tokens: packs of tokens that are alike. FORMAT.md section 3. All
 * of it is integer arithmetic, so that a GPU finds the same order.
 *
 * @module
 */

import { bitsFor, BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { QuantisedBlock } from "./quantised.ts";

/** The codes of one token, K and V side by side: u8 `[channels]`. */
type TokenCodes = Uint8Array;

/** Least and greatest code of a pack by channel, each u8 `[channels]`. */
interface PackRanges {
  low: Uint8Array;
  high: Uint8Array;
}

/**
 * The present tokens in greedy order.
 *
 * @param packSize Tokens per pack: 4, 8, 16 or 32.
 *
 * @returns The original tokens, one for each present token of the block.
 */
export function greedyOrder(block: QuantisedBlock, packSize: number): number[] {
  const codes = Array.from({ length: block.tokenCount }, (_, token) => tokenCodes(block, token));
  const remaining = codes.map((_, token) => token);
  const order: number[] = [];
  let ranges: PackRanges | null = null;
  while (remaining.length > 0) {
    if (order.length % packSize === 0) ranges = null;
    const token: number = ranges === null
      ? closestToMean(codes, remaining)
      : cheapest(codes, remaining, ranges);
    ranges = extended(ranges, codes[token]);
    remaining.splice(remaining.indexOf(token), 1);
    order.push(token);
  }
  return order;
}

function tokenCodes(block: QuantisedBlock, token: number): TokenCodes {
  const [keys, values] = block.sides.map(({ codes }) =>
    codes.filter((_, index) => index % BLOCK_TOKEN_COUNT === token)
  );
  return Uint8Array.from([...keys, ...values]);
}

/**
 * The token of largest cosine to the mean of the remaining ones, the first of equal ones. Codes are
 * not negative, so squares order the cosines; and the mean's own length is the same for all.
 */
function closestToMean(codes: readonly TokenCodes[], remaining: readonly number[]): number {
  const total = new Uint32Array(codes[0].length);
  for (const token of remaining) codes[token].forEach((code, channel) => total[channel] += code);
  const closeness = remaining.map((token) => {
    let dot = 0;
    let norm = 0;
    codes[token].forEach((code, channel) => {
      dot += code * total[channel];
      norm += code * code;
    });
    return { token, squaredDot: BigInt(dot) ** 2n, norm: BigInt(Math.max(norm, 1)) };
  });
  return closeness.reduce((best, each) =>
    each.squaredDot * best.norm > best.squaredDot * each.norm ? each : best
  ).token;
}

/** The token with which the pack's widths have the least sum, the first of equal ones. */
function cheapest(
  codes: readonly TokenCodes[],
  remaining: readonly number[],
  { low, high }: PackRanges,
): number {
  let best = { token: remaining[0], cost: Infinity };
  for (const token of remaining) {
    const own = codes[token];
    let cost = 0;
    for (let channel = 0; channel < own.length; channel++) {
      const code = own[channel];
      cost += bitsFor(Math.max(high[channel], code) - Math.min(low[channel], code));
    }
    if (cost < best.cost) best = { token, cost };
  }
  return best.token;
}

function extended(ranges: PackRanges | null, codes: TokenCodes): PackRanges {
  if (ranges === null) return { low: codes, high: codes };
  const { low, high } = ranges;
  return {
    low: codes.map((code, channel) => Math.min(code, low[channel])),
    high: codes.map((code, channel) => Math.max(code, high[channel])),
  };
}
