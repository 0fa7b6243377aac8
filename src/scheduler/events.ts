import type { EngineErrorCode } from "../core/errors.ts";

/** What the scheduler reports, in order. Nothing follows `finish` or `failed`; abort is silent. */
export type SchedulerEvent =
  | {
    type: "prefill";
    sequenceId: number;
    /** Prompt tokens stored so far; grows, also when a sequence is preempted and starts over. */
    processedTokenCount: number;
    promptTokenCount: number;
  }
  | { type: "token"; sequenceId: number; id: number }
  | {
    type: "finish";
    sequenceId: number;
    /** `stop`: the end token was sampled, which is not reported as a token. `length`: maxTokens. */
    reason: "stop" | "length";
    promptTokenCount: number;
    /** Tokens reported. */
    completionTokenCount: number;
  }
  | { type: "failed"; sequenceId: number; code: EngineErrorCode; message: string };

/** A snapshot of the scheduler. */
export interface SchedulerStats {
  runningCount: number;
  waitingCount: number;
  /** Share of the arenas that extents take, 0 to 1. */
  cacheUsage: number;
  /** Sealed blocks in the arenas, all layers counting as one. */
  sealedBlockCount: number;
  /** Tokens stored for the running sequences, sealed and raw. */
  storedTokenCount: number;
  /** Words of the records of sealed blocks. */
  packedWordCount: number;
  /** Words their extents take. */
  allocatedWordCount: number;
  /** Words of all arenas. */
  capacityWordCount: number;
}
