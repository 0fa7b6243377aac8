/**
 * Tokens of a prompt that stay, in whole packs: where the codes of neighbouring tokens are points
 * of a lattice, a token means another value beside others than its own.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";

/** How a codec packs the tokens of a block. */
export interface Packing {
  /** First tokens of a sequence, which are in no pack. */
  readonly sinkCount: number;
  /** Tokens of a pack, counted behind the sinks; 1 if each stands by itself. */
  readonly packTokenCount: number;
}

/** Each token stands by itself. */
export const BY_TOKEN: Packing = { sinkCount: 0, packTokenCount: 1 };

interface Pack {
  readonly first: number;
  readonly length: number;
  /** Its tokens that were chosen. */
  readonly chosenCount: number;
}

/**
 * As many of the chosen tokens as packs hold together: those that begin the prompt without a gap
 * stay with all of their packs, then packs follow by how many of their tokens were chosen, of equal
 * ones the earlier, while there are not more tokens than were chosen.
 *
 * A first block whose sinks leave no whole packs ends in a shorter one. It can only end a first
 * block again, so it stays if, and only if, the first block that is made is full.
 *
 * @param chosen Ascending, the sinks first.
 * @param options `sealedTokenCount`: of which they were chosen, a multiple of 64.
 * @returns The sinks, then tokens by pack, in the order in which blocks are made of them.
 */
export function wholePacks(
  chosen: readonly number[],
  { sealedTokenCount, sinkCount, packTokenCount }: Packing & { sealedTokenCount: number },
): number[] {
  if (packTokenCount === 1) return [...chosen];
  const { whole, cut } = packsOf(chosen, { sealedTokenCount, sinkCount, packTokenCount });
  const gap = chosen.findIndex((token, index) => token !== index);
  const leadingCount = gap === -1 ? chosen.length : gap;
  const isForced = ({ first }: Pack) => first < leadingCount;
  const ranked = whole.filter((pack) => !isForced(pack) && pack.chosenCount > 0)
    .sort((a, b) => b.chosenCount - a.chosenCount || a.first - b.first);
  const staying = whole.filter(isForced);
  const fullCount = Math.floor((BLOCK_TOKEN_COUNT - sinkCount) / packTokenCount);
  let room = chosen.length - sinkCount - staying.length * packTokenCount -
    (staying.length > fullCount ? cut.length : 0);
  for (const pack of ranked) {
    // The first block is full: its end takes the shorter pack.
    const own = packTokenCount + (staying.length === fullCount ? cut.length : 0);
    if (own > room) break;
    staying.push(pack);
    room -= own;
  }
  staying.sort((a, b) => a.first - b.first);
  if (cut.length > 0 && staying.length > fullCount) staying.splice(fullCount, 0, cut);
  const sinks = Array.from({ length: sinkCount }, (_, token) => token);
  return [...sinks, ...staying.flatMap(tokensOf)];
}

function packsOf(
  chosen: readonly number[],
  { sealedTokenCount, sinkCount, packTokenCount }: Packing & { sealedTokenCount: number },
): { whole: Pack[]; cut: Pack } {
  const isChosen = new Uint8Array(sealedTokenCount);
  for (const token of chosen) isChosen[token] = 1;
  const pack = (first: number, length: number): Pack => {
    const chosenCount = isChosen.subarray(first, first + length).reduce((sum, own) => sum + own, 0);
    return { first, length, chosenCount };
  };
  const whole: Pack[] = [];
  const cutLength = (BLOCK_TOKEN_COUNT - sinkCount) % packTokenCount;
  for (let first = sinkCount; first < sealedTokenCount;) {
    if (first === BLOCK_TOKEN_COUNT - cutLength) first = BLOCK_TOKEN_COUNT;
    if (first === sealedTokenCount) break;
    whole.push(pack(first, packTokenCount));
    first += packTokenCount;
  }
  return { whole, cut: pack(BLOCK_TOKEN_COUNT - cutLength, cutLength) };
}

function tokensOf({ first, length }: Pack): number[] {
  return Array.from({ length }, (_, index) => first + index);
}
