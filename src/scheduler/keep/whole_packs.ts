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

/** Neighbouring tokens of a block whose codes are packed together. */
export interface Pack {
  readonly first: number;
  readonly length: number;
}

interface ChosenPack extends Pack {
  /** Its tokens that were chosen. */
  readonly chosenCount: number;
}

/**
 * Packs of the sealed tokens behind the sinks, ascending. A first block whose sinks leave no whole
 * packs ends in a shorter one.
 */
export function packsOf(sealedTokenCount: number, { sinkCount, packTokenCount }: Packing): Pack[] {
  const packs: Pack[] = [];
  for (let first = sinkCount; first < sealedTokenCount;) {
    const blockEnd = (Math.floor(first / BLOCK_TOKEN_COUNT) + 1) * BLOCK_TOKEN_COUNT;
    packs.push({ first, length: Math.min(packTokenCount, blockEnd - first) });
    first += packs[packs.length - 1].length;
  }
  return packs;
}

/**
 * The chosen tokens as packs hold them together. Those that begin the prompt without a gap stay
 * with all of their packs; other packs follow by how many of their tokens were chosen, of equal
 * ones the earlier, while there are not more tokens than were chosen.
 *
 * The shorter pack of a first block can only end a first block again: it stays if that is full.
 *
 * @param chosen Ascending, the sinks first.
 * @param options `sealedTokenCount`: of which they were chosen, a multiple of 64. `needsAll`: all
 * packs with a chosen token stay, and more of the first block if its end was chosen.
 * @returns The sinks, then tokens by pack, in the order in which blocks are made of them.
 */
export function wholePacks(
  chosen: readonly number[],
  { sealedTokenCount, needsAll, ...packing }: Packing & {
    sealedTokenCount: number;
    needsAll: boolean;
  },
): number[] {
  const { sinkCount, packTokenCount } = packing;
  if (packTokenCount === 1) return [...chosen];
  const packs = chosenPacks(chosen, packsOf(sealedTokenCount, packing));
  const whole = packs.filter(({ length }) => length === packTokenCount);
  const cut = packs.find(({ length }) => length < packTokenCount) ?? null;
  const cutLength = cut?.length ?? 0;
  const gap = chosen.findIndex((token, index) => token !== index);
  const leadingCount = gap === -1 ? chosen.length : gap;
  const isForced = ({ first, chosenCount }: ChosenPack) =>
    first < leadingCount || needsAll && chosenCount > 0;
  const ranked = whole.filter((pack) => !isForced(pack) && pack.chosenCount > 0)
    .sort((a, b) => b.chosenCount - a.chosenCount || a.first - b.first);
  const staying = whole.filter(isForced);
  const fullCount = Math.floor((BLOCK_TOKEN_COUNT - sinkCount) / packTokenCount);
  const needsCut = needsAll && cut !== null && cut.chosenCount > 0;
  if (needsCut && staying.length < fullCount) {
    const others = whole.filter((pack) => !staying.includes(pack));
    staying.push(...others.slice(0, fullCount - staying.length));
  }
  let room = chosen.length - sinkCount - staying.length * packTokenCount -
    (staying.length > fullCount ? cutLength : 0);
  for (const pack of ranked) {
    // The first block is full: its end takes the shorter pack.
    const own = packTokenCount + (staying.length === fullCount ? cutLength : 0);
    if (own > room) break;
    staying.push(pack);
    room -= own;
  }
  staying.sort((a, b) => a.first - b.first);
  const hasRoom = cut !== null && cut.chosenCount > 0 && room >= cut.length;
  const isFull = staying.length > fullCount ||
    staying.length === fullCount && (needsCut || hasRoom);
  if (cut !== null && isFull) staying.splice(fullCount, 0, cut);
  const sinks = Array.from({ length: sinkCount }, (_, token) => token);
  return [...sinks, ...staying.flatMap(tokensOf)];
}

function chosenPacks(chosen: readonly number[], packs: readonly Pack[]): ChosenPack[] {
  const isChosen = new Set(chosen);
  return packs.map((pack) => {
    return { ...pack, chosenCount: tokensOf(pack).filter((token) => isChosen.has(token)).length };
  });
}

/** The tokens of a pack. */
export function tokensOf({ first, length }: Pack): number[] {
  return Array.from({ length }, (_, index) => first + index);
}
