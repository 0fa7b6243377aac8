/**
 * What loading takes and what is in force afterwards, as plain values.
 *
 * @module
 */

import type { AdapterOptions, WebGpuName } from "../core/adapter_options.ts";
import type { EvictionOrder } from "../scheduler/retention.ts";
import type { StoreTierOptions } from "../tiers/store_tier.ts";
import type { CodecProfile, ProfileOptions } from "../codec/profile_types.ts";
import type { SealPolicyOptions } from "../scheduler/seal_policies/registry.ts";
import type { MathInfo, ProductMath } from "../model/product_math.ts";
import type { TuneMode, Tuning } from "../tuning/tune.ts";
import type { GgufFile } from "../gguf/read_gguf.ts";
import type { SharedLayer } from "../model/shared_layers.ts";

export type { MathInfo, ProductMath, ProfileOptions, SharedLayer, TuneMode, Tuning };

/** Of which tokens a vector of a text is made: the mean of all, or the last one. */
export type Pooling = "mean" | "last";

/** What of a store is to be chosen. */
export type StoreSetting = "url" | "ttlSeconds" | "writeBytesPerSecond" | "timeoutMs";

/** A GGUF header as a value: the main thread reads it, the GPU worker loads by it. */
export interface HeaderMessage extends Omit<GgufFile, "metadata"> {
  /** Key-value pairs but those of the tokenizer. */
  metadata: Record<string, unknown>;
}

/**
 * What a profile is calibrated by: the bytes of a file if there is one, and the tokens of a text to
 * measure on while loading what it lacks.
 */
export interface CalibrationSource {
  bytes: Uint8Array | null;
  textIds: readonly number[];
}

/** What loading a model for serving needs: plain values, so that a worker can be given them. */
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
  /** Newest tokens of a sequence that stay raw, a multiple of 64. */
  windowTokenCount: number;
  /** Which adapter, and whose WebGPU opens it. */
  adapter: AdapterOptions;
  stepTokenCountMax: number | null;
  /** How products are made. */
  math: ProductMath;
  /** Whether variants of kernels are measured. */
  tune: TuneMode;
  sealPolicy: SealPolicyOptions;
  /** What stays of prompts whose requests do not say; null: all, and requests cannot say. */
  keep: string | null;
  /** What decode rows read of sealed blocks; null for everything. */
  read: string | null;
  sharesPrefixes: boolean;
  /** Layers that read the keys and values of others, in the place of their own. */
  sharedLayers: readonly SharedLayer[];
  /** Which blocks that nobody uses the device gives up first. */
  eviction: EvictionOrder;
  /** Whether guesses of next tokens are checked. */
  speculates: boolean;
  hostSizeBytes: number;
  disk: { folder: string; sizeBytes: number } | null;
  store: Pick<StoreTierOptions, StoreSetting> | null;
  /** Whether it is reported what comes to the caches and what goes. */
  reportsBlocks: boolean;
}

/**
 * Bytes of the KV cache in force, by the names of `src/codec/FORMAT.md`. Values that lie in host
 * memory are counted to `raw` alone.
 */
export interface CacheBytes {
  /** What the same tokens would take as raw f16. */
  raw: number;
  /** The packs themselves: codes, without minima, widths, scales, zeros and tables. */
  payload: number;
  /** All of the sealed blocks with their side data and alignment. */
  packed: number;
  /** Device bytes held for them. */
  allocated: number;
}

/** What a layer keeps of all sequences, in bytes on the device. */
export interface LayerBytes {
  /** Newest tokens that it sees; null for all. */
  reach: number | null;
  /** The layer whose keys and values it reads: its own index, or an earlier one. */
  keyValueLayer: number;
  /** Raw tiles of all slots, used or not; 0 if it reads those of another layer. */
  window: number;
  /** Encodes of the sealed blocks of sequences now; 0 if it reads those of another layer. */
  packed: number;
  /** Tokens of these records. */
  packedTokens: number;
}

/** What stayed of a prompt in a layer. */
export interface KeptLayer {
  /** Tokens. */
  tokens: number;
  /** Bytes of their records. */
  bytes: number;
  /** Channels of K, of all heads; left out if all stayed. */
  keyChannels?: number;
}

/** What stayed of a prompt once it was read. */
export interface KeptPrompt {
  /** Method and settings. */
  method: string;
  /** Tokens of which the method chose; those behind them were in the raw window. */
  sealedTokenCount: number;
  /** By layer; zeros if it has none of its own. */
  layers: readonly KeptLayer[];
}

/** The codec in force. */
export interface CodecInfo {
  /** The profile with every setting of its own. */
  settings: CodecProfile;
  /** Where a calibrated profile's steps by layer come from; null for other profiles. */
  layerSteps: "calibration" | "options" | "even" | null;
  /** What it was calibrated on; null for profiles that need no calibration. */
  calibration: {
    /** 32 hexadecimal digits that stand for the model. */
    modelFingerprint: string;
    /** 32 hexadecimal digits that stand for the text. */
    textFingerprint: string;
    /** Tokens of the text. */
    tokenCount: number;
  } | null;
}

/** What is in force after loading; shown at start, in `/v1/models` and `/props`. */
export interface EngineInfo {
  /** Served name, e.g. `SmolLM2-135M-Instruct`. */
  modelName: string;
  /** Path of the GGUF file. */
  modelPath: string;
  /** Size of the file. */
  modelSizeBytes: number;
  /** Elements of all tensors. */
  parameterCount: number;
  /** Token ids are `0 ..< vocabSize`. */
  vocabSize: number;
  /** Tokens the model was trained for. */
  contextLengthTrained: number;
  /** Most tokens of a sequence, prompt and answer. */
  contextLength: number;
  /** Codec profile with its settings in words, e.g. `paper (k-rel 0.1, v-rel 0.2, pack 16)`. */
  profile: string;
  /** The same for programs. */
  codec: CodecInfo;
  /** The adapter by its own name. */
  adapter: string;
  /** Whether the adapter is a CPU device (software Vulkan). */
  adapterIsFallback: boolean;
  /** Whose WebGPU opened it. */
  webgpu: WebGpuName;
  /** Sequences that run at a time. */
  sequenceCountMax: number;
  /** Requests that may wait. */
  waitingCountMax: number;
  /** Prompt tokens of a step that decodes, for each prompt that is being read. */
  stepTokenCountMax: number;
  /** Newest tokens of a sequence that stay raw; up to 63 more do until they are a block. */
  windowTokenCount: number;
  /** Whether blocks of prompts are kept and shared. */
  sharesPrefixes: boolean;
  /** Whether guesses of next tokens are checked. */
  speculates: boolean;
  /** What stays of prompts whose requests do not say; null: all, and requests cannot say. */
  keep: string | null;
  /** What decode rows read of sealed blocks where their request does not say; null: everything. */
  read: string | null;
  /** How products are made, and which are in f32 all the same. */
  math: MathInfo;
  /** Layers that read the keys and values of others, and keep none. */
  sharedLayers: readonly SharedLayer[];
  /** Most bytes of shared blocks in host memory. */
  hostCapacityBytes: number;
  /** Folder for shared blocks; null if there is none. */
  diskFolder: string | null;
  /** URL of the store for shared blocks, without user and password; null if there is none. */
  storeAddress: string | null;
  /** Most bytes of shared blocks in the folder; 0 if there is none. */
  diskCapacityBytes: number;
  /** Values of a vector of a text. */
  embeddingWidth: number;
  /** How the file says that such vectors are pooled; null if it does not, or in another way. */
  pooling: Pooling | null;
  /** Device bytes of the weights. */
  weightBytes: number;
  /** Newest tokens that each layer sees; null for all. */
  layerReaches: readonly (number | null)[];
  /** Bytes of a token as f16, over all stores that seal. */
  tokenBytes: number;
  /** Device bytes of the raw windows of all layers and slots. */
  windowBytes: number;
  /** Device bytes of the codec's tables, one set for all sequences. */
  tableBytes: number;
  /** Device bytes of the summaries of all slots' blocks; 0 if everything is read. */
  summaryBytes: number;
  /** Device bytes of the arena. */
  cacheCapacityBytes: number;
  /** What it would take if the device had room for it; null if it has. */
  cacheWantedBytes: number | null;
  /** What the arena holds of one sequence, whatever its blocks take. */
  heldContext: HeldContext;
  /** Which kernels run as something else than the first variant of their table, and why. */
  tuning: Tuning;
  /** Sealed blocks that it holds at least, whatever they take. */
  blockCapacity: number;
}

/** What the memory for sealed blocks holds of one sequence at least. */
export interface HeldContext {
  /** Tokens; the context length at most. */
  tokenCount: number;
  /** Bytes that would hold the whole context, in whole MiB; null if it does, or if none would. */
  wholeSizeBytes: number | null;
}
