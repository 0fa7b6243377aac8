/**
 * How much of the last query's attention may be dropped: the stop rule of DBudgetKV.
 *
 * Source: arXiv:2502.16886, section 3.2.
 *
 * @module
 */

import type { StoreScores } from "./method.ts";

/**
 * The most groups of tokens that can be dropped, from the first on, so that the mean over heads of
 * the norm of the last query's attention loses no more than `lossMax` of what it is.
 *
 * @param groups Tokens by group, the least important group first.
 * @param tokenCount Tokens of the prompt; those in no group are kept.
 */
export function droppableCount(
  { lastByHead }: Pick<StoreScores, "lastByHead">,
  groups: readonly (readonly number[])[],
  { tokenCount, lossMax }: { tokenCount: number; lossMax: number },
): number {
  const isInGroup = new Uint8Array(tokenCount);
  for (const group of groups) for (const token of group) isInGroup[token] = 1;
  // By number of groups dropped: the sum over heads of the norm of what is left.
  const norms = new Float64Array(groups.length + 1);
  for (const attention of lastByHead) {
    let squares = 0;
    for (let token = 0; token < tokenCount; token++) {
      if (isInGroup[token] === 0) squares += attention[token] ** 2;
    }
    norms[groups.length] += Math.sqrt(squares);
    for (let dropped = groups.length - 1; dropped >= 0; dropped--) {
      for (const token of groups[dropped]) squares += attention[token] ** 2;
      norms[dropped] += Math.sqrt(squares);
    }
  }
  let count = groups.length;
  while (count > 0 && (norms[0] - norms[count]) / norms[0] > lossMax) count--;
  return count;
}
