/**
 * What the state of a sequence is made of.
 *
 * @module
 */

import type { CachedItem } from "./block_cache.ts";
import type { RecordSizes } from "./block_memory.ts";
import type { KeepMethod } from "./keep/method.ts";

/** A slice, part of whose layers are planned. */
export interface OpenSlice {
  position: number;
  ids: readonly number[];
  nextLayer: number;
}

/** A block that the last step measured. */
export interface MeasuredBlock extends RecordSizes {
  blockIndex: number;
  /** Index among the measures of the step. */
  jobIndex: number;
  /** Whether it is made of what stays of the prompt. */
  isGathered?: boolean;
}

/** A block that the next step makes readable: measured by the last one, or found in the cache. */
export type ReadyBlock =
  | MeasuredBlock
  | {
    blockIndex: number;
    /** Null if the policy drops it. */
    item: CachedItem | null;
    /** Of stores whose rows see their newest tokens only; null if there are none. */
    near: CachedItem | null;
  };

/** A place where a preempted sequence can begin again. */
export interface SwappedState {
  /** Blocks stored before it. */
  boundary: number;
  /**
   * Keys of blocks 0, 1, … up to those of the window before the boundary, null for dropped ones;
   * those of its prompt may be shared.
   */
  sealedKeys: readonly (string | null)[];
  /** Keys of the blocks that rows behind the boundary read of stores that see no more. */
  nearKeys: readonly string[];
  /** Keys of the raw tiles before the boundary. */
  rawKeys: readonly string[];
  /** Whether the step that copies them is not committed. */
  isPending: boolean;
}

/** One generation asked of the scheduler. */
export interface SequenceRequest {
  /** Chosen by the caller; not one that is alive. */
  sequenceId: number;
  /** At least one token. */
  promptIds: readonly number[];
  /** Most tokens to generate; 0 only prefills. */
  maxTokens: number;
  /** Tokens that end the sequence; they are not reported as tokens. */
  eosIds: readonly number[];
  /** Whether the tokens of `eosIds` are tokens like any other. */
  ignoreEos: boolean;
  /** Higher ones go first; 0 if left out. */
  priority?: number;
  /** Blocks are shared among requests of the same salt only. */
  cacheSalt?: string;
  /** Tokens before the end of each message of the prompt, ascending: others may begin there. */
  messageEnds?: readonly number[];
  /** Whether its blocks are kept until others are gone, or no longer; as they are if left out. */
  pins?: boolean;
  /** Whether a prompt will follow that repeats its answer; false if left out. */
  isContinued?: boolean;
  /** Whether guesses of its next tokens may be checked; false if left out. */
  drafts?: boolean;
  /** Whether every prompt token is prefilled, even if it is in the cache; false if left out. */
  skipsCache?: boolean;
  /** What stays of its prompt; all if left out. */
  keep?: KeepMethod | null;
}
