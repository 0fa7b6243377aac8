/**
 * PackKV Serve as a library: an LLM engine on WebGPU whose KV cache is compressed on the GPU.
 *
 * @module
 */

export type * from "./src/codec/profile_types.ts";
export { loadTokenizer } from "./src/tokenizer/load_tokenizer.ts";
export type { TokenizeOptions, Tokenizer } from "./src/tokenizer/types.ts";
export { withBos } from "./src/tokenizer/with_bos.ts";
export { createEngine } from "./src/engine/client.ts";
export { EngineError, type EngineErrorCode } from "./src/core/errors.ts";
export type {
  BlockEvent,
  CacheBytes,
  CodecInfo,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStats,
  EvictionOrder,
  FinishReason,
  GenerateEvent,
  GenerateRequest,
  GrammarReasoning,
  GrammarSpec,
  GrammarTag,
  GrammarValue,
  HeldContext,
  KeptLayer,
  KeptPrompt,
  LayerBytes,
  LogitAdjustments,
  MathInfo,
  Medium,
  MemberMarks,
  Pooling,
  ProductMath,
  SamplingOptions,
  SealPolicyOptions,
  SequenceTimings,
  SharedLayer,
  SlotAction,
  SlotInfo,
  SlotOutcome,
  StoreCounts,
  TokenLogprob,
  TokenLogprobs,
  TokenUse,
  TuneMode,
  Tuning,
} from "./src/engine/types.ts";
export type { WebGpuName } from "./src/core/adapter_options.ts";
