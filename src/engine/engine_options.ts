/**
 * How an engine is created.
 *
 * @module
 */

import type { ProductMath, ProfileOptions, TuneMode } from "../runtime/types.ts";
import type { WebGpuName } from "../core/adapter_options.ts";
import type { BlockEvent } from "../scheduler/block_events.ts";
import type { EvictionOrder } from "../scheduler/retention.ts";
import type { SealPolicyOptions } from "../scheduler/seal_policies/registry.ts";

/** How to create an engine. */
export interface EngineOptions {
  /** Path of a GGUF file. */
  modelPath: string;
  /** Tokens per sequence; the file's context length if left out. */
  contextLength?: number;
  /** Codec of the KV cache; `balanced` if left out. */
  profile?: ProfileOptions;
  /** Sequences that run at a time, 1 to 64; 4 if left out. */
  sequenceCountMax?: number;
  /** Requests that may wait; 64 if left out. */
  waitingCountMax?: number;
  /**
   * Device memory for sealed blocks in bytes. If left out: what all sequences can ever need, at
   * most the adapter's largest buffer, and on a CPU adapter at most a quarter of the free memory;
   * less if the device has no room for it.
   */
  cacheSizeBytes?: number;
  /**
   * Newest tokens of a sequence that stay raw, a multiple of 64 from 0 to 1024: 0 seals a block as
   * soon as it is full. 128 if left out.
   */
  windowTokenCount?: number;
  /** Which GPU of several; `high-performance` if left out. */
  adapterPower?: "high-performance" | "low-power";
  /** Whose WebGPU: the runtime's own, or Dawn, fetched once; `deno` if left out. */
  webgpu?: WebGpuName;
  /** Part of the name of the adapter, where several have the power asked for. Only for Dawn. */
  adapterName?: string;
  /**
   * Prompt tokens of a step that decodes, for each prompt that is being read: less makes running
   * streams steadier meanwhile, more reads prompts faster. Default 128, on a CPU adapter 4.
   */
  stepTokenCountMax?: number;
  /**
   * Whether a GPU's kernels are chosen by measuring: `on`, the default, at the first start with a
   * device and shapes of weights, up to 5 s, and kept; `again` whatever is kept, also on a CPU.
   */
  tune?: TuneMode;
  /**
   * How matrix products are made: `int8` makes codes of 8 bits of activations, for devices that
   * multiply such at once. It changes texts. `f32` if left out.
   */
  math?: ProductMath;
  /** What of a sequence stays readable when it leaves the raw window; everything if left out. */
  sealPolicy?: SealPolicyOptions;
  /**
   * What stays of prompts once they are read, e.g. `chunkkv:ratio=0.5`, where a request does not
   * say; `all` only lets requests say. Everything stays, and requests cannot say, if left out.
   */
  keep?: string;
  /**
   * What decode rows read of the sealed blocks of a sequence, all of which stay: `quest:blocks=N`
   * by the range of their keys, `clusterkv:tokens=N` by clusters of them, `hcattention:tau=SHARE`
   * by the attention they get, with values in host memory; `,dense=N` says how many first layers
   * read everything, 2 if left out. All is read if left out.
   */
  read?: string;
  /**
   * Layers that read the keys and values of earlier ones in the place of their own: `kvsharer:N`
   * of those found by `packkv calibrate --share`, or `kvsharer:FILE`. Or profile `xquant` in the
   * place of `profile`, with its settings as in `xquant:bits=2,shrink=1`. None if left out.
   */
  share?: string;
  /** Keep and share blocks of prompts that begin alike; default true. */
  sharesPrefixes?: boolean;
  /**
   * Which blocks that nobody uses the device gives up first: `recency` those used least recently;
   * `conversations` those of conversations that ended, and of one too many rather than of each in
   * turn; `adaptive`, the default, as the one of both that would have lost less lately.
   */
  eviction?: EvictionOrder;
  /**
   * Guess next tokens by what the sequence has repeated so far, and check several in one step:
   * faster where text repeats, and the same text; default true.
   */
  speculates?: boolean;
  /** Host memory for shared blocks in bytes; default 0, with a disk 256 MiB. */
  hostSizeBytes?: number;
  /** Folder for shared blocks that outlive the process; none if left out. */
  diskFolder?: string;
  /** URL of a Valkey or Redis store for blocks that servers share; none if left out. */
  storeUrl?: string;
  /** Seconds after its last use that a block stays there, from 1; default one day. */
  storeTtlSeconds?: number;
  /** Most bytes written there a second, 0 to only read; no limit if left out. */
  storeWriteBytesPerSecond?: number;
  /**
   * Longest wait for an answer of the store, from 1 ms; default 500. A request waits for two, for
   * blocks that come longer if reading their tokens again would take longer, and for none while the
   * store is known not to answer.
   */
  storeTimeoutMs?: number;
  /** Most bytes of files there; default 16 GiB. */
  diskSizeBytes?: number;
  /** Called with what loading is doing; `fraction` is 0 to 1. */
  onProgress?: (message: string, fraction: number) => void;
  /**
   * Takes what comes to the caches and what goes: blocks of prompts without a salt, on the device,
   * on the host, on disk and in the store. Nothing is reported if left out.
   */
  onBlockEvents?: (events: readonly BlockEvent[]) => void;
}
