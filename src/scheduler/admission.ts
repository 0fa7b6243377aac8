/**
 * The limits a scheduler works within, and refusing at once what can never be served in them.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { sealedBlockCount, SLICE_TOKEN_COUNT, WINDOW_BLOCK_COUNT } from "../core/shapes.ts";
import type { BlockEventLog } from "./block_events.ts";
import type { ArenaSize, BlockMemory, NearStores, RecordWordsRange } from "./block_memory.ts";
import type { RowCost } from "./decode_planner.ts";
import type { CreateDrafter } from "./drafter.ts";
import type { Packing } from "./keep/whole_packs.ts";
import { NearBlocks } from "./near_blocks.ts";
import { keptBlockCount, type SealPolicy } from "./seal_policies/policy.ts";
import type { RetentionPolicy } from "./retention.ts";
import type { SequenceRequest } from "./sequence_parts.ts";

/** Prompt tokens of a step that decodes, if nothing else is asked for: a whole slice and more. */
export const STEP_TOKEN_COUNT_DEFAULT = 128;

/** Steps in flight if nothing else is asked for: the one on the device and the one behind it. */
export const IN_FLIGHT_STEP_COUNT = 2;

/** Most prompts whose tokens count towards a step's budget. */
const PROMPT_COUNT_MAX = 4;

/** Limits and sizes the scheduler works within. */
export interface SchedulerOptions extends RecordWordsRange {
  /** Sequences that run at a time; slots are `0 ..< sequenceCountMax`. */
  sequenceCountMax: number;
  /** Requests that may wait. */
  waitingCountMax: number;
  /** Most prompt and generated tokens of a sequence. */
  contextLength: number;
  /** Whole blocks of a sequence that stay raw; {@link WINDOW_BLOCK_COUNT} if left out. */
  windowBlockCount?: number;
  /** Layers of the model: a slice beside decode rows runs some of them in a step. */
  layerCount: number;
  /** The arena of each group of stores. */
  arenas: readonly ArenaSize[];
  /** Stores whose rows see their newest tokens only, and that seal; none if left out or null. */
  near?: NearStores | null;
  /** Steps that may be planned and not committed; {@link IN_FLIGHT_STEP_COUNT} if left out. */
  inFlightStepCountMax?: number;
  /**
   * Prompt tokens that a step with decode rows pays for, for each prompt that is being read: its
   * slice runs as many of its layers. {@link STEP_TOKEN_COUNT_DEFAULT} if left out.
   */
  stepTokenCountMax?: number;
  /** What attending to a sealed block costs a slice, the rest of a slice costing 1; default 0. */
  blockCost?: number;
  /** Host memory for shared blocks; none if left out. */
  host?: {
    capacityBytes: number;
    /** Most words that a step copies to the host: at least those of the raw tiles of a block. */
    saveWordCountMax: number;
  };
  /** How guesses of next tokens are checked; not at all if left out. */
  drafts?: {
    /** Rows that a step has for them. */
    rowCountMax: number;
    /** What rows cost; a GPU's if left out. */
    rowCost?: RowCost;
    /** Makes what guesses for a sequence from its growing tokens; n-gram look-up if left out. */
    create?: CreateDrafter;
  };
  /** What of each sequence is kept when it leaves the window; all if left out. */
  policy?: SealPolicy;
  /** Takes note of what comes to the caches and what goes; nobody does if left out. */
  blockEvents?: BlockEventLog | null;
  /** How the codec packs tokens; each by itself if left out. */
  packing?: Packing;
  /** Which unused blocks on the device go first; the least recently used if left out. */
  retention?: RetentionPolicy;
  /** How blocks are shared; not at all if left out. */
  prefix?: {
    /** Stands for model, profile, format and device: what else a block's bytes depend on. */
    root: string;
    /** Words of a raw tile, by store. */
    tileWords: readonly number[];
    /**
     * Raw tiles that a sequence needs before the block it begins at: `windowBlockCount`, or more
     * where layers keep a longer window. `windowBlockCount` if left out.
     */
    rawTileCount?: number;
  };
}

/** Fewest tokens a slice is cut to: fewer would read the sealed blocks too often. */
const SLICE_TOKEN_COUNT_MIN = 16;

/** What a step is asked to read of a prompt. */
interface SliceStep {
  /** Rows that decode; without any the step pays for all. */
  decodeCount: number;
  /** Prompts that are being read. */
  promptCount: number;
  /** Sealed blocks of the slice's sequence. */
  blockCount: number;
}

/**
 * Size of the slice that a step opens: of 64, 32 and 16 tokens the largest of which it can run a
 * layer, so that deep in a long prompt one layer does not delay decode rows.
 */
export function sliceSize(
  options: SchedulerOptions,
  { layerCount, ...step }: SliceStep & { layerCount: number },
): number {
  let tokenCount = SLICE_TOKEN_COUNT;
  const fits = () => layerCount * sliceShare(options, { ...step, tokenCount }) >= 1;
  while (tokenCount > SLICE_TOKEN_COUNT_MIN && !fits()) tokenCount /= 2;
  return tokenCount;
}

/** Share of a slice of `tokenCount` tokens that a step can run. */
export function sliceShare(
  { stepTokenCountMax = STEP_TOKEN_COUNT_DEFAULT, blockCost = 0 }: SchedulerOptions,
  step: SliceStep & { tokenCount: number },
): number {
  if (step.decodeCount === 0) return 1;
  // The more prompts wait for their first token, the more of the step they get, within limits.
  const tokenCount = stepTokenCountMax * Math.min(step.promptCount, PROMPT_COUNT_MAX);
  return tokenCount / (step.tokenCount * (1 + step.blockCount * blockCost));
}

/**
 * Checks a request against the limits.
 *
 * @throws {RangeError} If it is malformed.
 * @throws {EngineError} `context_length_exceeded`, `cache_exhausted` if the arenas cannot hold it
 * even alone, `queue_full`.
 */
export function checkLimits(
  { promptIds, maxTokens }: SequenceRequest,
  state: {
    options: SchedulerOptions;
    memory: BlockMemory;
    policy: SealPolicy;
    waitingCount: number;
    /** How many the next step can start: these do not count as waiting. */
    startableCount: number;
  },
): void {
  const { contextLength, waitingCountMax, near = null } = state.options;
  const { windowBlockCount = WINDOW_BLOCK_COUNT } = state.options;
  if (promptIds.length < 1) throw new RangeError("Cannot admit a request: its prompt is empty");
  if (!(Number.isInteger(maxTokens) && maxTokens >= 0)) {
    throw new RangeError(`Cannot admit a request: maxTokens is ${maxTokens}, wanted 0 or more`);
  }
  const tokenCount = promptIds.length + maxTokens;
  if (tokenCount > contextLength) {
    throw new EngineError(
      "context_length_exceeded",
      `Cannot admit the request: ${promptIds.length} prompt tokens and ${maxTokens} to ` +
        `generate are ${tokenCount}, more than the context of ${contextLength} tokens`,
    );
  }
  const sealedCount = sealedBlockCount(tokenCount - 1, windowBlockCount);
  const shortage = state.memory.shortage({
    sealed: keptBlockCount(state.policy, sealedCount),
    near: new NearBlocks({ near, windowBlockCount }).countMax(sealedCount),
  });
  if (shortage) {
    throw new EngineError(
      "cache_exhausted",
      `Cannot admit the request: its KV cache takes at least ${shortage.needWordCount} words, ` +
        `more than the ${shortage.capacityWordCount} there are`,
    );
  }
  if (state.waitingCount + 1 - state.startableCount > waitingCountMax) {
    throw new EngineError(
      "queue_full",
      `Cannot admit the request: ${waitingCountMax} requests are waiting already`,
    );
  }
}
