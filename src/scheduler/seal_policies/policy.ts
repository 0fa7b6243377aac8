/**
 * What of a sequence is kept when it leaves the raw window. A policy is a file beside this and a
 * case of `registry.ts`; src/README.md says what to write.
 *
 * @module
 */

/** Decides what is sealed. */
export interface SealPolicy {
  /** Stands for the policy and its settings in the names of blocks; null if it keeps everything. */
  readonly id: string | null;
  /** Whether a block is kept. It must not depend on anything but the block's index. */
  keeps(blockIndex: number): boolean;
}

/** How many of the first `blockCount` blocks a policy keeps. */
export function keptBlockCount({ keeps }: SealPolicy, blockCount: number): number {
  let count = 0;
  for (let blockIndex = 0; blockIndex < blockCount; blockIndex++) {
    if (keeps(blockIndex)) count++;
  }
  return count;
}
