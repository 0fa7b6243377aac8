/**
 * What goes into the engine and what comes out of it: plain values, also the payload of the
 * messages between the main thread and the GPU worker.
 *
 * @module
 */

import type { StoreCounts } from "../tiers/store_counts.ts";
import type { TokenUse } from "./token_use.ts";
export type { StoreCounts, TokenUse };
import type { EngineErrorCode } from "../core/errors.ts";
import type { LogitAdjustments, SamplingOptions, TokenLogprobs } from "../core/sampling.ts";
import type { GrammarSpec } from "../grammar/types.ts";
import type { CacheBytes, EngineInfo, KeptPrompt, LayerBytes, Pooling } from "../runtime/types.ts";

export type {
  GrammarReasoning,
  GrammarSpec,
  GrammarTag,
  GrammarValue,
  MemberMarks,
} from "../grammar/types.ts";
export type {
  LogitAdjustments,
  SamplingOptions,
  TokenLogprob,
  TokenLogprobs,
} from "../core/sampling.ts";
export type {
  CacheBytes,
  CodecInfo,
  EngineInfo,
  HeldContext,
  KeptLayer,
  KeptPrompt,
  LayerBytes,
  MathInfo,
  Pooling,
  ProductMath,
  ProfileOptions,
  SharedLayer,
  TuneMode,
  Tuning,
} from "../runtime/types.ts";
export type { EngineOptions } from "./engine_options.ts";
export type { BlockEvent, Medium } from "../scheduler/block_events.ts";
export type { EvictionOrder } from "../scheduler/retention.ts";
export type { SealPolicyOptions } from "../scheduler/seal_policies/registry.ts";

/** One generation asked of the engine. */
export interface GenerateRequest {
  /** Prompt as token ids; at least one. */
  promptIds: readonly number[];
  /** Most tokens to generate; 0 only reads the prompt. */
  maxTokens: number;
  /** Partial: what is left out is greedy, with no truncation. */
  sampling?: Partial<SamplingOptions>;
  /** Partial: what is left out changes nothing. */
  adjustments?: Partial<LogitAdjustments>;
  /** Report the log-probability of each token and of this many alternatives, 0 to 20. */
  logprobs?: number;
  /** The same of each token of the prompt but the first; the whole prompt is prefilled then. */
  promptLogprobs?: number;
  /** Report one vector for the prompt, pooled like that; with `mean` all of it is prefilled. */
  pooling?: Pooling;
  /** What the answer must be; compiled the first time it is asked for. */
  grammar?: GrammarSpec;
  /** Go on after the model's end token, unless there is a grammar. Default false. */
  ignoreEos?: boolean;
  /** Aborting ends the sequence within the steps on their way and frees its memory. */
  signal?: AbortSignal;
  /** Higher ones go first, -100 to 100; default 0. */
  priority?: number;
  /** Cached blocks are shared among requests of the same salt only; default none. */
  cacheSalt?: string;
  /**
   * Tokens before the end of each message of the prompt, ascending: places at which prompts that
   * begin alike are likely to part. Default none.
   */
  messageEnds?: readonly number[];
  /**
   * A prompt will follow that repeats this one and its answer, as the next turn of a conversation
   * does: the answer is read again as prompts are when nothing else is to be read, so that the next
   * turn finds it in the cache. Default false.
   */
  isContinued?: boolean;
  /**
   * Keep its blocks on the device as long as those of others can go, or no longer. If left out they
   * stay as they are.
   */
  pins?: boolean;
  /** What the caller does with tokens; default `stream`. */
  tokenUse?: TokenUse;
  /** Prefill every prompt token, even if it is in the cache; default false. */
  skipsCache?: boolean;
  /** Check guesses of next tokens, if the engine does; the text is the same. Default true. */
  speculates?: boolean;
  /**
   * What stays of the prompt once it is read, e.g. `chunkkv:ratio=0.5`, or `all`; as the engine was
   * created if left out. An engine that was created without `keep` refuses it.
   */
  keep?: string;
  /**
   * What its decode rows read of the sealed blocks: the engine's method with another amount, e.g.
   * `quest:blocks=64`, or `all`; as the engine was created if left out.
   */
  read?: string;
}

/**
 * Why a sequence ended: `stop` is the model's end token, `length` is `maxTokens` or the context.
 */
export type FinishReason = "stop" | "length";

/** Times of one sequence, in milliseconds. */
export interface SequenceTimings {
  /** From arrival to the first slice. */
  queueMs: number;
  /** From the first slice to the first sampled token. */
  prefillMs: number;
  /** From the first sampled token to the end. */
  decodeMs: number;
}

/**
 * What a generation yields, in order: any number of `prefill` and `prompt_logprobs`, an `embedding`
 * if it is asked for, any number of `token`, one `finish`.
 */
export type GenerateEvent =
  | {
    type: "prefill";
    processedTokenCount: number;
    promptTokenCount: number;
    /** Prompt tokens that were in the cache and not prefilled. */
    cachedTokenCount: number;
    /** How long the request waited before its prefill began. */
    queueMs: number;
  }
  | {
    type: "prompt_logprobs";
    /** Index in the prompt of the first token scored; 1, then where the last event ended. */
    position: number;
    entries: readonly TokenLogprobs[];
  }
  | {
    type: "embedding";
    /** f32 `[width]`, behind the final norm. */
    values: Float32Array;
  }
  | { type: "token"; id: number; logprobs?: TokenLogprobs }
  | {
    type: "finish";
    reason: FinishReason;
    promptTokenCount: number;
    completionTokenCount: number;
    /** The end token that was sampled, which is no `token` event; left out if none was. */
    endId?: number;
    /** Prompt tokens that were in the cache and not prefilled. */
    cachedTokenCount: number;
    /** What stayed of its prompt once it was read; left out if all did. */
    kept?: KeptPrompt;
    timings: SequenceTimings;
  };

/** A snapshot of the engine, for `/metrics`, `/props` and `doctor`. */
export interface EngineStats {
  /** Sequences that hold a slot. */
  runningSequenceCount: number;
  /** Requests that wait for one. */
  waitingSequenceCount: number;
  /** Share of the arena that sequences use, 0 to 1. */
  cacheUsage: number;
  /** Bytes of the sealed blocks of sequences now. */
  cacheBytes: CacheBytes;
  /** What each layer keeps: its raw windows, and records of sealed blocks now. */
  layerBytes: readonly LayerBytes[];
  /** Bytes of blocks that no sequence uses, kept until their memory is needed. */
  retainedBytes: number;
  /** Bytes of shared blocks in host memory. */
  hostBytes: number;
  /** Bytes of shared blocks on disk. */
  diskBytes: number;
  /** What was done with the store of blocks; null without one. */
  store: StoreCounts | null;
  /** Sealed blocks that two sequences or more use. */
  sharedBlockCount: number;
  /** All bytes of GPU buffers the engine holds. */
  deviceBytes: number;
  /** Steps run since loading. */
  stepCount: number;
  /** Prompt tokens prefilled since loading. */
  promptTokenCount: number;
  /** Tokens of answers that were read again for a next turn. */
  rereadTokenCount: number;
  /** Prompt tokens of all requests that were started. */
  prefixQueryCount: number;
  /** Those of them that were in the cache. */
  prefixHitCount: number;
  /** Next tokens guessed and checked since loading. */
  draftTokenCount: number;
  /** Those of them that were right. */
  acceptedTokenCount: number;
  /** Tokens sampled since loading. */
  generatedTokenCount: number;
  /** Tokens that decode rows could read since loading, in a layer; of drafts too. */
  readableTokenCount: number;
  /** Those that they read, in a layer that chooses. */
  readTokenCount: number;
  /** Blocks of a layer whose values came from host memory since loading, for decoded tokens. */
  fetchedBlockCount: number;
  /** The same for tokens of prompts. */
  fetchedPromptBlockCount: number;
  /** Bytes of values in host memory, and of those that the device has too; 0 if none are apart. */
  valueBytes: { host: number; device: number };
  /** Records sealed since loading whose tokens may be described by others, with `deltakv`. */
  describableRecordCount: number;
  /** Those of them that pack smaller so; the others fell back. */
  describedRecordCount: number;
  /** Device time of sealing since loading; 0 if the adapter has no timestamps. */
  sealingSeconds: number;
  /** Blocks packed since loading, all stores counting as one. */
  sealedBlockCount: number;
  /** Blocks copied to host memory since loading. */
  savedBlockCount: number;
  /** Blocks copied back since loading. */
  loadedBlockCount: number;
  /** Times that a sequence lost its memory to others since loading; it continues later. */
  preemptionCount: number;
}

/** One slot, for `/slots`. */
export interface SlotInfo {
  /** Number of the slot, from 0. */
  slot: number;
  /** What it does now. */
  phase: "idle" | "prefill" | "decode";
  /** Of the sequence that runs in it, or ran last. */
  promptTokenCount: number;
  /** Prompt tokens that were in the cache. */
  cachedTokenCount: number;
  /** Tokens generated so far. */
  generatedTokenCount: number;
  /** Tokens whose keys and values are stored now. */
  storedTokenCount: number;
  /** What its sealed blocks would take as raw f16. */
  rawBytes: number;
  /** What they take. */
  packedBytes: number;
  /** What stayed of its prompt; null if all did, or it is not read. */
  kept: KeptPrompt | null;
}

/** What saving, restoring or erasing did. */
export interface SlotOutcome {
  /** Leading tokens of the prompt that need not be prefilled again; of erasing: no longer. */
  tokenCount: number;
  /** Of the file. */
  sizeBytes: number;
}

/** What to do with a slot; a file is read or written by the engine. */
export type SlotAction =
  | { type: "save"; path: string }
  | { type: "restore"; path: string }
  | { type: "erase" };

/** The engine as its callers see it; also what HTTP tests fake. */
export interface Engine {
  /** What is in force. */
  readonly info: EngineInfo;
  /**
   * Starts a generation. At the first `next()` it throws an `EngineError` of code
   * `invalid_request`, `context_length_exceeded` or `queue_full`.
   */
  generate(request: GenerateRequest): AsyncIterable<GenerateEvent>;
  /** A snapshot of counts and bytes. Rejects with the failure if the engine has ended. */
  stats(): Promise<EngineStats>;
  /** What runs in each slot. */
  slots(): Promise<SlotInfo[]>;
  /**
   * Saves, restores or erases what the cache has of a slot's last prompt.
   *
   * @throws {EngineError} `invalid_request` with the reason, and nothing changed.
   */
  actOnSlot(slot: number, action: SlotAction): Promise<SlotOutcome>;
  /** Resolves to the failure that ended the engine, for as long as it lives it stays pending. */
  readonly failed: Promise<{ code: EngineErrorCode; message: string }>;
  /**
   * Ends all sequences, hands blocks to the tiers, frees the device, ends the worker. Idempotent.
   * Waits for the steps that the device has at that moment, however long they take: a device that
   * is dropped at work ends the process.
   *
   * @param tiersLimitMs Longest wait for the tiers: two thirds of it for blocks that are to be
   * copied from the device; 1.5 s if left out.
   */
  close(tiersLimitMs?: number): Promise<void>;
}
