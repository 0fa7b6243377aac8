/**
 * GET /props: what is in force.
 *
 * @module
 */

import { z } from "zod";
import type { CodecInfo, EngineInfo } from "../../src/engine/types.ts";
import { WEBGPU_NAMES } from "../../src/core/adapter_options.ts";
import { CODEC_ANSWER_FIELDS, codecFields } from "../openai/codec_fields.ts";
import { namedModel, type RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import type { ApiRoute } from "./route.ts";

/** The codec in force. */
const codecAnswer = z.object({
  profile: z.string(),
  ...CODEC_ANSWER_FIELDS,
  layer_steps: z.enum(["calibration", "options", "even"]).nullable(),
  calibration: z.object({ model: z.string(), text: z.string(), tokens: count }).nullable(),
});

/** How much a server takes, and what it does by itself. */
const limits = z.object({
  sequences: count,
  queue: count,
  step_tokens: count,
  window_tokens: count,
  shares_prefixes: z.boolean(),
  speculates: z.boolean(),
  keep: z.string().nullable(),
  read: z.string().nullable(),
  shared_layers: z.array(z.object({ layer: count, source: count })),
  kv_host_bytes: count,
  kv_disk_folder: z.string().nullable(),
  kv_disk_bytes: count,
  kv_store: z.string().nullable(),
  body_bytes: count,
  request_seconds: z.number(),
  drain_seconds: z.number(),
  ping_seconds: z.number(),
});

/** What is in force. */
const answer = z.object({
  model_alias: z.string(),
  model_path: z.string(),
  total_slots: count,
  default_generation_settings: z.object({
    n_ctx: count,
    params: z.record(z.string(), z.unknown()),
  }),
  n_ctx_train: count,
  kv_profile: z.string(),
  kv_codec: codecAnswer,
  adapter: z.string(),
  adapter_is_fallback: z.boolean(),
  webgpu: z.enum(WEBGPU_NAMES),
  math: z.object({ mode: z.enum(["f32", "int8"]), note: z.string().nullable() }),
  tuning: z.object({
    source: z.enum(["tables", "kept", "measured"]),
    note: z.string(),
    choices: z.array(z.object({ kernel: z.string(), variant: z.string(), gain: z.number() })),
  }),
  limits,
  memory: z.record(z.string(), z.unknown()),
});

function codecBody({ settings, layerSteps, calibration }: CodecInfo): object {
  return {
    ...codecFields(settings),
    layer_steps: layerSteps,
    calibration: calibration && {
      model: calibration.modelFingerprint,
      text: calibration.textFingerprint,
      tokens: calibration.tokenCount,
    },
  };
}

/** Model, codec, adapter, limits and memory. */
export function propsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/props",
    handler: async (context) => {
      const { id, engine } = namedModel(routes, context);
      const { info } = engine;
      const stats = await engine.stats();
      return context.json({
        model_alias: id,
        model_path: info.modelPath,
        total_slots: info.sequenceCountMax,
        default_generation_settings: {
          n_ctx: info.contextLength,
          params: { temperature: 1, top_p: 1, top_k: 0, min_p: 0, seed: -1, ignore_eos: false },
        },
        n_ctx_train: info.contextLengthTrained,
        kv_profile: info.profile,
        kv_codec: codecBody(info.codec),
        adapter: info.adapter,
        adapter_is_fallback: info.adapterIsFallback,
        webgpu: info.webgpu,
        math: info.math,
        tuning: {
          ...info.tuning,
          choices: info.tuning.choices.map(({ key, name, gain }) => {
            return { kernel: key, variant: name, gain };
          }),
        },
        limits: limitsBody(info, routes),
        memory: {
          weight_bytes: info.weightBytes,
          cache_capacity_bytes: info.cacheCapacityBytes,
          cache_usage: stats.cacheUsage,
          window_bytes: info.windowBytes,
          table_bytes: info.tableBytes,
          summary_bytes: info.summaryBytes,
          value_host_bytes: stats.valueBytes.host,
          value_device_bytes: stats.valueBytes.device,
          token_bytes: info.tokenBytes,
          all_in_bytes: stats.cacheBytes.allocated + info.windowBytes + info.tableBytes +
            info.summaryBytes + stats.valueBytes.device,
          cache_bytes: stats.cacheBytes,
          layers: stats.layerBytes.map((layer) => ({
            window_tokens: layer.reach,
            kv_layer: layer.keyValueLayer,
            window_bytes: layer.window,
            packed_bytes: layer.packed,
            packed_tokens: layer.packedTokens,
          })),
          device_bytes: stats.deviceBytes,
        },
      });
    },
    doc: { summary: "Show what is in force", answer },
  };
}

function limitsBody(info: EngineInfo, routes: RouteContext): z.infer<typeof limits> {
  return {
    sequences: info.sequenceCountMax,
    queue: info.waitingCountMax,
    step_tokens: info.stepTokenCountMax,
    window_tokens: info.windowTokenCount,
    shares_prefixes: info.sharesPrefixes,
    speculates: info.speculates,
    keep: info.keep,
    read: info.read,
    shared_layers: [...info.sharedLayers],
    kv_host_bytes: info.hostCapacityBytes,
    kv_disk_folder: info.diskFolder,
    kv_disk_bytes: info.diskCapacityBytes,
    kv_store: info.storeAddress,
    body_bytes: routes.bodySizeBytesMax,
    request_seconds: routes.state.requestLimitMs / 1000,
    drain_seconds: routes.state.drainLimitMs / 1000,
    ping_seconds: routes.pingIntervalMs / 1000,
  };
}
