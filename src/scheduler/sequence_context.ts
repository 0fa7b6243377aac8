import { WINDOW_BLOCK_COUNT } from "../core/shapes.ts";
import type { BlockEventLog } from "./block_events.ts";
import type { NearStores } from "./block_memory.ts";
import { type CreateDrafter, ngramDrafter } from "./drafter.ts";
import { BY_TOKEN, type Packing } from "./keep/whole_packs.ts";
import { KEEP_ALL } from "./seal_policies/keep_all.ts";
import type { SealPolicy } from "./seal_policies/policy.ts";

/** What all sequences of a scheduler have in common. */
export interface SequenceContext {
  /** What the names of blocks begin with; null if none are shared. */
  prefixRoot: string | null;
  policy: SealPolicy;
  /** Whole blocks that stay raw behind the newest tokens. */
  windowBlockCount: number;
  /** Raw tiles that a sequence needs before the block it begins at. */
  rawTileCount: number;
  /** Stores whose rows see their newest tokens only; null if there are none that seal. */
  near: NearStores | null;
  /** Makes what guesses for a sequence, from its growing tokens. */
  createDrafter: CreateDrafter;
  /** Takes note of what the names of blocks stand for. */
  blockEvents: BlockEventLog | null;
  /** How the codec packs tokens. */
  packing: Packing;
}

/**
 * The context that a scheduler's options give.
 */
export function sequenceContext(
  options: {
    windowBlockCount?: number;
    prefix?: { root: string; rawTileCount?: number };
    policy?: SealPolicy;
    drafts?: { create?: CreateDrafter };
    blockEvents?: BlockEventLog | null;
    packing?: Packing;
    near?: NearStores | null;
  },
): SequenceContext {
  const { prefix, policy = KEEP_ALL, drafts, blockEvents = null } = options;
  const { windowBlockCount = WINDOW_BLOCK_COUNT, near = null, packing = BY_TOKEN } = options;
  const { root: prefixRoot = null, rawTileCount = windowBlockCount } = prefix ?? {};
  const createDrafter = drafts?.create ?? ngramDrafter;
  const common = { windowBlockCount, rawTileCount, near, createDrafter, blockEvents, packing };
  return { prefixRoot, policy, ...common };
}
