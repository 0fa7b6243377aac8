/**
 * Prometheus metrics, under the names that dashboards and routers know.
 *
 * @module
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { EngineError } from "../src/core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../src/core/shapes.ts";
import type { Engine, EngineStats, FinishReason } from "../src/engine/types.ts";
import type { GenerationObserver, GenerationTimings } from "./openai/generation/observer.ts";

// deno-fmt-ignore
const FIRST_TOKEN_BUCKETS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
  80, 160, 640, 2560,
];
// deno-fmt-ignore
const NEXT_TOKEN_BUCKETS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
// deno-fmt-ignore
const REQUEST_BUCKETS = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];

const CACHE_BYTE_KINDS = ["raw", "payload", "packed", "allocated"] as const;

/** Counts what the server does with one model; a `GenerationObserver`. */
export class ModelMetrics implements GenerationObserver {
  readonly #registry = new Registry();
  readonly #running = this.#gauge("vllm:num_requests_running", "Sequences in steps");
  readonly #waiting = this.#gauge("vllm:num_requests_waiting", "Sequences not admitted yet");
  readonly #usage = this.#gauge("vllm:kv_cache_usage_perc", "Share of the KV arena in use, 0 to 1");
  readonly #promptTokens = this.#counter("vllm:prompt_tokens_total", "Prompt tokens prefilled");
  readonly #generated = this.#counter("vllm:generation_tokens_total", "Tokens generated");
  readonly #prefixQueries = this.#counter(
    "vllm:prefix_cache_queries_total",
    "Prompt tokens looked up in the prefix cache",
  );
  readonly #prefixHits = this.#counter(
    "vllm:prefix_cache_hits_total",
    "Prompt tokens found in the prefix cache",
  );
  readonly #cacheConfig = this.#gauge(
    "vllm:cache_config_info",
    "Tokens of a block, and how many blocks the arena holds at least, as labels",
    ["block_size", "num_gpu_blocks"],
  );
  // Names of vLLM's that routers still read, of the same values.
  readonly #olderUsage = this.#gauge(
    "vllm:gpu_cache_usage_perc",
    "Older name of vllm:kv_cache_usage_perc",
  );
  readonly #olderQueries = this.#counter(
    "vllm:gpu_prefix_cache_queries_total",
    "Older name of vllm:prefix_cache_queries_total",
  );
  readonly #olderHits = this.#counter(
    "vllm:gpu_prefix_cache_hits_total",
    "Older name of vllm:prefix_cache_hits_total",
  );
  readonly #drafted = this.#counter(
    "vllm:spec_decode_num_draft_tokens_total",
    "Next tokens guessed and checked",
  );
  readonly #accepted = this.#counter(
    "vllm:spec_decode_num_accepted_tokens_total",
    "Guessed tokens that were right",
  );
  readonly #reread = this.#counter(
    "packkv:answer_tokens_reread_total",
    "Tokens of answers read again for a next turn",
  );
  readonly #readable = this.#counter(
    "packkv:readable_tokens_total",
    "Tokens that decoded tokens could read in a layer, with --read",
  );
  readonly #read = this.#counter(
    "packkv:read_tokens_total",
    "Tokens that they read in a layer that chooses, with --read",
  );
  readonly #describable = this.#counter(
    "packkv:describable_records_total",
    "Records of a layer whose tokens may be described by others, with profile deltakv",
  );
  readonly #described = this.#counter(
    "packkv:described_records_total",
    "Those of them that pack smaller so; the others fell back",
  );
  readonly #fetched = this.#counter(
    "packkv:value_blocks_fetched_total",
    "Blocks of a layer whose values came from host memory for decoded tokens, with hcattention",
  );
  readonly #fetchedPrompt = this.#counter(
    "packkv:value_blocks_fetched_prompt_total",
    "The same for tokens of prompts",
  );
  readonly #valueBytes = this.#gauge(
    "packkv:kv_value_bytes",
    "Bytes of values in host memory, and of those that the device has too",
    ["place"],
  );
  readonly #sharedBlocks = this.#gauge("packkv:shared_blocks", "Sealed blocks used by several");
  readonly #retainedBytes = this.#gauge(
    "packkv:kv_retained_bytes",
    "Bytes of blocks kept though no sequence uses them",
  );
  readonly #tierBytes = this.#gauge(
    "packkv:kv_tier_bytes",
    "Bytes of shared blocks outside the device",
    ["tier"],
  );
  readonly #storeUp = this.#gauge("packkv:kv_store_up", "Whether the store of blocks answers");
  readonly #storeBlocks = this.#gauge(
    "packkv:kv_store_blocks",
    "Blocks read from the store, written, not written, late or damaged, since the start",
    ["outcome"],
  );
  readonly #storeBytes = this.#gauge(
    "packkv:kv_store_bytes",
    "Bytes read from the store and written since the start",
    ["direction"],
  );
  readonly #storeFailures = this.#gauge(
    "packkv:kv_store_failures",
    "Times that the store was given up since the start",
  );
  readonly #sealing = this.#counter(
    "packkv:sealing_seconds_total",
    "Device time of packing blocks; 0 if the adapter has no timestamps",
  );
  readonly #sealed = this.#counter("packkv:blocks_sealed_total", "Blocks packed");
  readonly #saved = this.#counter(
    "packkv:blocks_saved_total",
    "Blocks copied to host memory",
  );
  readonly #loaded = this.#counter(
    "packkv:blocks_loaded_total",
    "Blocks copied back to the device",
  );
  readonly #preemptions = this.#counter(
    "vllm:num_preemptions_total",
    "Times that a sequence lost its memory to others",
  );
  readonly #isLoaded = this.#gauge("packkv:model_loaded", "Whether the model is loaded, 0 or 1");
  readonly #loads = this.#counter("packkv:model_loads_total", "Times that the model was loaded");
  readonly #steps = this.#counter("packkv:steps_total", "Command buffers submitted");
  readonly #deviceBytes = this.#gauge("packkv:device_bytes", "Bytes of GPU buffers held");
  readonly #cacheBytes = this.#gauge("packkv:kv_bytes", "Bytes of the KV cache", [
    "kind",
    "profile",
  ]);
  readonly #layerTokens = this.#gauge(
    "packkv:kv_layer_tokens",
    "Sealed tokens that a layer keeps of sequences",
    ["layer"],
  );
  readonly #layerBytes = this.#gauge(
    "packkv:kv_layer_bytes",
    "Bytes of their records",
    ["layer"],
  );
  readonly #success = this.#counter("vllm:request_success_total", "Sequences that ended well", [
    "finished_reason",
  ]);
  readonly #errors = this.#counter("packkv:request_errors_total", "Sequences ended by an error", [
    "code",
  ]);
  readonly #firstToken = this.#histogram(
    "vllm:time_to_first_token_seconds",
    "From request to first token",
    FIRST_TOKEN_BUCKETS,
  );
  readonly #nextToken = this.#histogram(
    "vllm:inter_token_latency_seconds",
    "From token to token",
    NEXT_TOKEN_BUCKETS,
  );
  readonly #request = this.#histogram(
    "vllm:e2e_request_latency_seconds",
    "From request to last token",
    REQUEST_BUCKETS,
  );
  readonly #queue = this.#histogram(
    "vllm:request_queue_time_seconds",
    "From request to admission",
    REQUEST_BUCKETS,
  );
  /** Counters of what the engine totals. */
  readonly #totals = [
    ["promptTokenCount", this.#promptTokens],
    ["generatedTokenCount", this.#generated],
    ["stepCount", this.#steps],
    ["prefixQueryCount", this.#prefixQueries, this.#olderQueries],
    ["prefixHitCount", this.#prefixHits, this.#olderHits],
    ["rereadTokenCount", this.#reread],
    ["readableTokenCount", this.#readable],
    ["readTokenCount", this.#read],
    ["describableRecordCount", this.#describable],
    ["describedRecordCount", this.#described],
    ["fetchedBlockCount", this.#fetched],
    ["fetchedPromptBlockCount", this.#fetchedPrompt],
    ["draftTokenCount", this.#drafted],
    ["acceptedTokenCount", this.#accepted],
    ["sealingSeconds", this.#sealing],
    ["sealedBlockCount", this.#sealed],
    ["savedBlockCount", this.#saved],
    ["preemptionCount", this.#preemptions],
    ["loadedBlockCount", this.#loaded],
  ] as const;
  /** The engine that was asked last. */
  #engine: Engine | null = null;
  /** Totals as it reported them. */
  readonly #seen = new Map<string, number>();

  /** @param modelId Value of the label `model_name` of every metric. */
  constructor(modelId: string) {
    this.#registry.setDefaultLabels({ model_name: modelId });
    for (const finished_reason of ["stop", "length", "abort"]) {
      this.#success.inc({ finished_reason }, 0);
    }
  }

  /** Content type of {@link render}'s text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: [this.#registry] });
  }

  token(sinceMs: number, isFirst: boolean): void {
    (isFirst ? this.#firstToken : this.#nextToken).observe(sinceMs / 1000);
  }

  finished(reason: FinishReason, elapsedMs: number, timings: GenerationTimings): void {
    this.#success.inc({ finished_reason: reason });
    this.#request.observe(elapsedMs / 1000);
    this.#queue.observe(timings.queueMs / 1000);
  }

  failed(error: unknown): void {
    const code = error instanceof EngineError ? error.code : "internal_error";
    if (code === "aborted") this.#success.inc({ finished_reason: "abort" });
    else this.#errors.inc({ code });
  }

  #takeStore(counts: NonNullable<EngineStats["store"]>): void {
    this.#storeUp.set(counts.isUp ? 1 : 0);
    this.#storeFailures.set(counts.failureCount);
    this.#storeBlocks.set({ outcome: "read" }, counts.readBlockCount);
    this.#storeBlocks.set({ outcome: "written" }, counts.writtenBlockCount);
    this.#storeBlocks.set({ outcome: "not_written" }, counts.skippedBlockCount);
    this.#storeBlocks.set({ outcome: "late" }, counts.lateBlockCount);
    this.#storeBlocks.set({ outcome: "damaged" }, counts.damagedBlockCount);
    this.#storeBytes.set({ direction: "read" }, counts.readBytes);
    this.#storeBytes.set({ direction: "written" }, counts.writtenBytes);
  }

  #take(stats: EngineStats, profile: string): void {
    this.#running.set(stats.runningSequenceCount);
    this.#waiting.set(stats.waitingSequenceCount);
    this.#usage.set(stats.cacheUsage);
    this.#olderUsage.set(stats.cacheUsage);
    this.#deviceBytes.set(stats.deviceBytes);
    for (const kind of CACHE_BYTE_KINDS) {
      this.#cacheBytes.set({ kind, profile }, stats.cacheBytes[kind]);
    }
    for (const [layer, { packed, packedTokens }] of stats.layerBytes.entries()) {
      this.#layerTokens.set({ layer }, packedTokens);
      this.#layerBytes.set({ layer }, packed);
    }
    this.#sharedBlocks.set(stats.sharedBlockCount);
    this.#retainedBytes.set(stats.retainedBytes);
    for (const [place, bytes] of Object.entries(stats.valueBytes)) {
      this.#valueBytes.set({ place }, bytes);
    }
    this.#tierBytes.set({ tier: "host" }, stats.hostBytes);
    this.#tierBytes.set({ tier: "disk" }, stats.diskBytes);
    if (stats.store !== null) this.#takeStore(stats.store);
    for (const [name, ...counters] of this.#totals) {
      const added = Math.max(0, stats[name] - (this.#seen.get(name) ?? 0));
      for (const counter of counters) counter.inc(added);
      this.#seen.set(name, stats[name]);
    }
  }

  /**
   * All metrics in Prometheus' text format; the engine's values are as of now if there is one,
   * otherwise as last seen.
   */
  async render(engine: Engine | null): Promise<string> {
    this.#isLoaded.set(engine === null ? 0 : 1);
    if (engine !== null) await this.read(engine);
    return await this.#registry.metrics();
  }

  /** Takes the engine's values as they are now. */
  async read(engine: Engine): Promise<void> {
    const [profile] = engine.info.profile.split(" ");
    const num_gpu_blocks = engine.info.blockCapacity;
    this.#cacheConfig.set({ block_size: BLOCK_TOKEN_COUNT, num_gpu_blocks }, 1);
    const stats = await engine.stats().catch(() => null);
    if (stats === null) return;
    if (engine !== this.#engine) {
      this.#engine = engine;
      this.#seen.clear();
      this.#loads.inc();
    }
    this.#take(stats, profile);
  }
}
