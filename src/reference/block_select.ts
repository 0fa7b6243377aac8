/**
 * Reference of `shaders/block_select/top.wgsl`: the blocks that one row and KV head reads.
 *
 * @param scores By block.
 * @param options `count`: how many are read. `tokenCounts`: tokens of each; those with none come
 * last.
 * @returns Their indexes, ascending; the first block is among them.
 */
export function blockSelectReference(
  scores: ArrayLike<number>,
  { count, tokenCounts }: { count: number; tokenCounts: readonly number[] },
): number[] {
  const orderOf = (block: number) =>
    block === 0 ? Infinity : tokenCounts[block] === 0 ? -Infinity : scores[block];
  return Array.from({ length: scores.length }, (_, block) => block)
    .sort((a, b) => orderOf(a) === orderOf(b) ? a - b : orderOf(b) - orderOf(a))
    .slice(0, count)
    .sort((a, b) => a - b);
}

/**
 * Reference of `shaders/block_select/share.wgsl`: the fewest blocks of a row and KV head whose
 * attention, with that of the window, exceeds a share of all of it.
 *
 * @param scores Attention by block, summed over `groupSize` heads.
 * @param options `share`: 1 or more chooses all. `tokenCounts`: tokens of each; those with none are
 * not chosen.
 * @returns Their indexes, ascending; the first block is among them.
 */
export function blockShareReference(
  scores: ArrayLike<number>,
  { share, groupSize, tokenCounts }: {
    share: number;
    groupSize: number;
    tokenCounts: readonly number[];
  },
): number[] {
  const blocks = Array.from({ length: scores.length }, (_, block) => block)
    .filter((block) => tokenCounts[block] > 0);
  if (share >= 1) return blocks;
  const all = blocks.reduce((sum, block) => sum + scores[block], 0);
  const orderOf = (block: number) => block === 0 ? Infinity : scores[block];
  blocks.sort((a, b) => orderOf(a) === orderOf(b) ? a - b : orderOf(b) - orderOf(a));
  let reached = Math.max(0, groupSize - all);
  const count = blocks.findIndex((block, index) => {
    if (reached > share * groupSize && index > 0) return true;
    reached += scores[block];
    return false;
  });
  return blocks.slice(0, count < 0 ? blocks.length : count).sort((a, b) => a - b);
}
