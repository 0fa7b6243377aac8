import type { SealPolicy } from "./policy.ts";

/**
 * Drops whole blocks of each sequence by a fixed list: their tokens are read while they are in the
 * raw window, and not after.
 *
 * @param blocks Indexes of the blocks dropped: block `i` holds tokens `64 i` to `64 i + 63`.
 * @throws {RangeError} If an index is not a whole number of at least 0, or stands twice.
 */
export function dropBlocks(blocks: readonly number[]): SealPolicy {
  const dropped = new Set(blocks);
  for (const block of blocks) {
    if (!Number.isSafeInteger(block) || block < 0) {
      throw new RangeError(`Cannot drop block ${block}: wanted whole numbers of at least 0`);
    }
  }
  if (dropped.size < blocks.length) {
    throw new RangeError(`Cannot drop blocks ${blocks.join(", ")}: wanted each of them once`);
  }
  const sorted = [...dropped].sort((a, b) => a - b);
  return {
    id: `drop-blocks ${sorted.join(" ")}`,
    keeps: (blockIndex) => !dropped.has(blockIndex),
  };
}
