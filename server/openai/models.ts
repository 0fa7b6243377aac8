/**
 * GET /v1/models, /v1/models/{id}, /props, /health and /livez: what is served, and whether.
 *
 * @module
 */

import type { Context } from "hono";
import type { CodecInfo } from "../../src/engine/types.ts";
import { codecFields } from "./codec_fields.ts";
import type { ServedModel } from "../state.ts";
import { checkModelName, readyModel, type RouteContext } from "./route_context.ts";

function modelBody(routes: RouteContext, { engine: { info } }: ServedModel): object {
  return {
    id: routes.modelId,
    object: "model",
    created: routes.createdSeconds,
    owned_by: "packkv",
    aliases: routes.aliases,
    max_model_len: info.contextLength,
    meta: {
      n_vocab: info.vocabSize,
      n_ctx_train: info.contextLengthTrained,
      n_ctx: info.contextLength,
      n_params: info.parameterCount,
      size: info.modelSizeBytes,
      kv_profile: info.profile,
      adapter: info.adapter,
      adapter_is_fallback: info.adapterIsFallback,
    },
  };
}

/** Makes the handler that lists the one model. */
export function modelsRoute(routes: RouteContext): (context: Context) => Response {
  return (context) => {
    const model = readyModel(routes.state);
    return context.json({ object: "list", data: [modelBody(routes, model)] });
  };
}

/** Makes the handler that tells of one model by name. */
export function modelRoute(routes: RouteContext): (context: Context) => Response {
  return (context) => {
    checkModelName(routes, context.req.param("id") ?? null);
    return context.json(modelBody(routes, readyModel(routes.state)));
  };
}

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

/** Makes the handler that tells what is in force. */
export function propsRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const { engine } = readyModel(routes.state);
    const { info } = engine;
    const stats = await engine.stats();
    return context.json({
      model_alias: routes.modelId,
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
      limits: {
        sequences: info.sequenceCountMax,
        queue: info.waitingCountMax,
        step_tokens: info.stepTokenCountMax,
        shares_prefixes: info.sharesPrefixes,
        kv_host_bytes: info.hostCapacityBytes,
        kv_disk_folder: info.diskFolder,
        kv_disk_bytes: info.diskCapacityBytes,
        body_bytes: routes.bodySizeBytesMax,
        request_seconds: routes.state.requestLimitMs / 1000,
        drain_seconds: routes.state.drainLimitMs / 1000,
        ping_seconds: routes.pingIntervalMs / 1000,
      },
      memory: {
        weight_bytes: info.weightBytes,
        cache_capacity_bytes: info.cacheCapacityBytes,
        cache_usage: stats.cacheUsage,
        cache_bytes: stats.cacheBytes,
        device_bytes: stats.deviceBytes,
      },
    });
  };
}

/** Makes the handler that says whether the process works: 503 once only a restart helps. */
export function liveRoute(routes: RouteContext): (context: Context) => Response {
  return (context) => {
    if (routes.state.phase.name === "failed") readyModel(routes.state);
    return context.json({ status: "ok" });
  };
}

/** Makes the handler that says whether requests are answered: 200, or 503 with the reason. */
export function healthRoute(routes: RouteContext): (context: Context) => Response {
  return (context) => {
    readyModel(routes.state);
    return context.json({ status: "ok" });
  };
}
