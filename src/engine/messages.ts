/**
 * Messages between the main thread and the GPU worker: plain values only, since devices and
 * functions cannot cross.
 *
 * @module
 */

import type { EngineErrorCode } from "../core/errors.ts";
import type { GgufTensor } from "../gguf/read_gguf.ts";
import type {
  EngineInfo,
  EngineStats,
  GenerateEvent,
  LogitAdjustments,
  ProfileOptions,
  SamplingOptions,
  SlotAction,
  SlotInfo,
  SlotOutcome,
} from "./types.ts";

/** A GGUF header as a value; the library that reads it does not run in workers. */
export interface HeaderMessage {
  path: string;
  sizeBytes: number;
  /** Key-value pairs but those of the tokenizer. */
  metadata: Record<string, unknown>;
  tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * What a banded profile is calibrated by: the bytes of a file, or else the tokens of a text to
 * measure on while loading.
 */
export interface CalibrationSource {
  bytes: Uint8Array | null;
  textIds: readonly number[];
}

/** What the worker needs to load a model. */
export interface LoadOptions {
  header: HeaderMessage;
  /** Ids that end a sequence. */
  eosIds: readonly number[];
  contextLength: number | null;
  profile: ProfileOptions;
  calibration: CalibrationSource | null;
  sequenceCountMax: number;
  waitingCountMax: number;
  cacheSizeBytes: number | null;
  stepTokenCountMax: number | null;
  sharesPrefixes: boolean;
  hostSizeBytes: number;
  disk: { folder: string; sizeBytes: number } | null;
}

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
  /** Null tells nothing. */
  logprobs: number | null;
  promptLogprobs: number | null;
  /** Where the grammar to follow is followed; null allows everything. */
  grammar: { port: MessagePort; shared: SharedArrayBuffer } | null;
  ignoreEos: boolean;
  priority: number;
  cacheSalt: string;
  skipsCache: boolean;
}

/** From the main thread to the worker. */
export type ToWorker =
  | { type: "load"; options: LoadOptions }
  | GenerateMessage
  | { type: "abort"; sequenceId: number }
  | { type: "stats"; requestId: number }
  | { type: "slots"; requestId: number }
  | { type: "slot_action"; requestId: number; slot: number; action: SlotAction }
  | { type: "close" };

/** From the worker to the main thread. */
export type FromWorker =
  | { type: "progress"; message: string; fraction: number }
  | { type: "ready"; info: EngineInfo; measuredCalibration: Uint8Array | null }
  | { type: "event"; sequenceId: number; event: GenerateEvent }
  | { type: "sequence_failed"; sequenceId: number; failure: FailureMessage }
  | { type: "stats"; requestId: number; stats: EngineStats }
  | { type: "slots"; requestId: number; slots: SlotInfo[] }
  | { type: "slot_outcome"; requestId: number; outcome: SlotOutcome }
  | { type: "refused"; requestId: number; failure: FailureMessage }
  | { type: "failed"; failure: FailureMessage }
  | { type: "closed" };
