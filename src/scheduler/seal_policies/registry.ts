import { dropBlocks } from "./drop_blocks.ts";
import { KEEP_ALL } from "./keep_all.ts";
import type { SealPolicy } from "./policy.ts";

/** Which policy, with its settings: a plain value. */
export type SealPolicyOptions =
  /** Every block of every sequence is kept. */
  | { name: "keep-all" }
  /** Blocks of these indexes are dropped from each sequence once they leave the raw window. */
  | { name: "drop-blocks"; blocks: readonly number[] };

/**
 * The policy of options.
 *
 * @throws {RangeError} If a setting is out of its range.
 */
export function sealPolicy(options: SealPolicyOptions): SealPolicy {
  switch (options.name) {
    case "keep-all":
      return KEEP_ALL;
    case "drop-blocks":
      return dropBlocks(options.blocks);
  }
}
