import type { BlockEventLog } from "./block_events.ts";
import { type CreateDrafter, ngramDrafter } from "./drafter.ts";
import { RAW_TILE_COUNT } from "./prefix.ts";
import { KEEP_ALL } from "./seal_policies/keep_all.ts";
import type { SealPolicy } from "./seal_policies/policy.ts";

/** What all sequences of a scheduler have in common. */
export interface SequenceContext {
  /** What the names of blocks begin with; null if none are shared. */
  prefixRoot: string | null;
  policy: SealPolicy;
  /** Raw tiles that a sequence needs before the block it begins at. */
  rawTileCount: number;
  /** Makes what guesses for a sequence, from its growing tokens. */
  createDrafter: CreateDrafter;
  /** Takes note of what the names of blocks stand for. */
  blockEvents: BlockEventLog | null;
  /** First tokens of a sequence that its first record has apart from the others. */
  sinkCount: number;
}

/**
 * The context that a scheduler's options give.
 */
export function sequenceContext(
  { prefix, policy = KEEP_ALL, drafts, blockEvents = null, sinkCount = 0 }: {
    prefix?: { root: string; rawTileCount?: number };
    policy?: SealPolicy;
    drafts?: { create?: CreateDrafter };
    blockEvents?: BlockEventLog | null;
    sinkCount?: number;
  },
): SequenceContext {
  const { root: prefixRoot = null, rawTileCount = RAW_TILE_COUNT } = prefix ?? {};
  const createDrafter = drafts?.create ?? ngramDrafter;
  return { prefixRoot, policy, rawTileCount, createDrafter, blockEvents, sinkCount };
}
