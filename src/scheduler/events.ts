import type { KeptReport } from "./keep/keeping.ts";
import type { DraftCounts } from "./decode_planner.ts";
import type { EngineErrorCode } from "../core/errors.ts";

/** What the scheduler reports, in order. Nothing follows `finish` or `failed`; abort is silent. */
export type SchedulerEvent =
  | {
    type: "prefill";
    sequenceId: number;
    /** Prompt tokens stored so far; grows, also when a sequence is preempted and starts over. */
    processedTokenCount: number;
    promptTokenCount: number;
    /** Prompt tokens that were in the cache when it first got a slot. */
    cachedTokenCount: number;
  }
  | { type: "token"; sequenceId: number; id: number }
  | {
    type: "finish";
    sequenceId: number;
    /** `stop`: the end token was sampled, which is not reported as a token. `length`: maxTokens. */
    reason: "stop" | "length";
    promptTokenCount: number;
    /** Prompt tokens that were in the cache when it first got a slot. */
    cachedTokenCount: number;
    /** Tokens reported. */
    completionTokenCount: number;
    /** The end token; left out if none was sampled. */
    endId?: number;
    /** What stayed of its prompt; left out if all did. */
    kept?: KeptReport;
  }
  | { type: "failed"; sequenceId: number; code: EngineErrorCode; message: string };

/** A snapshot of the scheduler. */
export interface SchedulerStats extends DraftCounts {
  runningCount: number;
  waitingCount: number;
  /** Share of the arenas that sequences' extents take, 0 to 1. */
  cacheUsage: number;
  /** Sealed blocks that sequences hold, all stores counting as one, shared ones once. */
  sealedBlockCount: number;
  /** Those of them that two sequences or more hold. */
  sharedBlockCount: number;
  /** The same blocks of stores whose rows see their newest tokens only, which hold fewer. */
  nearBlockCount: number;
  /** Times that a sequence lost its memory to others. */
  preemptionCount: number;
  /** Prompt tokens of all sequences that have got a slot. */
  prefixQueryCount: number;
  /** Those of them that were in the cache. */
  prefixHitCount: number;
  /** Tokens stored for the running sequences, sealed and raw. */
  storedTokenCount: number;
  /** Words of the records of the sealed blocks that sequences hold. */
  packedWordCount: number;
  /** The same, by store, and the tokens of these records. */
  packedStoreWords: readonly number[];
  packedStoreTokens: readonly number[];
  /** Words their extents take. */
  allocatedWordCount: number;
  /** Words of blocks that no sequence holds, kept until their memory is needed. */
  retainedWordCount: number;
  /** Bytes of blocks in host memory. */
  hostBytes: number;
  /** Words of all arenas. */
  capacityWordCount: number;
}
