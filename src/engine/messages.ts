/**
 * Messages between the main thread and the GPU worker: plain values only, since devices and
 * functions cannot cross.
 *
 * @module
 */

import type { EngineErrorCode } from "../core/errors.ts";
import type { LoadOptions } from "../runtime/types.ts";
import type { BlockEvent } from "../scheduler/block_events.ts";
import type {
  EngineInfo,
  EngineStats,
  GenerateEvent,
  LogitAdjustments,
  Pooling,
  SamplingOptions,
  SlotAction,
  SlotInfo,
  SlotOutcome,
} from "./types.ts";
import type { TokenUse } from "./token_use.ts";

/** An {@link import("../core/errors.ts").EngineError} as a value. */
export interface FailureMessage {
  code: EngineErrorCode;
  message: string;
  param: string | null;
}

/** A request with its defaults filled in. */
export interface GenerateMessage {
  type: "generate";
  sequenceId: number;
  promptIds: readonly number[];
  maxTokens: number;
  sampling: SamplingOptions;
  /** Null leaves logits as they are. */
  adjustments: LogitAdjustments | null;
  /** Null: none are reported. */
  logprobs: number | null;
  promptLogprobs: number | null;
  /** Null: no vector of the prompt is reported. */
  pooling: Pooling | null;
  /** The port of the worker that follows its grammar; null allows everything. */
  grammar: { port: MessagePort; shared: SharedArrayBuffer } | null;
  ignoreEos: boolean;
  priority: number;
  cacheSalt: string;
  messageEnds: readonly number[];
  isContinued: boolean;
  /** Null leaves blocks as they are. */
  pins: boolean | null;
  tokenUse: TokenUse;
  skipsCache: boolean;
  /** Whether guesses of its next tokens may be checked. */
  speculates: boolean;
  /** What stays of its prompt; null as the engine was created. */
  keep: string | null;
  /** What its decode rows read; null as the engine was created. */
  read: string | null;
}

/** From the main thread to the worker. */
export type ToWorker =
  | { type: "load"; options: LoadOptions }
  | GenerateMessage
  | { type: "abort"; sequenceId: number }
  | { type: "stats"; requestId: number }
  | { type: "slots"; requestId: number }
  | { type: "slot_action"; requestId: number; slot: number; action: SlotAction }
  | { type: "close"; tiersLimitMs: number };

/** From the worker to the main thread. */
export type FromWorker =
  | { type: "progress"; message: string; fraction: number }
  | { type: "ready"; info: EngineInfo; measuredCalibration: Uint8Array | null }
  | { type: "event"; sequenceId: number; event: GenerateEvent }
  | { type: "sequence_failed"; sequenceId: number; failure: FailureMessage }
  | { type: "stats"; requestId: number; stats: EngineStats }
  | { type: "slots"; requestId: number; slots: SlotInfo[] }
  | { type: "slot_outcome"; requestId: number; outcome: SlotOutcome }
  | { type: "blocks"; events: readonly BlockEvent[] }
  | { type: "refused"; requestId: number; failure: FailureMessage }
  | { type: "failed"; failure: FailureMessage }
  | { type: "closed" };
