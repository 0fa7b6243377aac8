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
