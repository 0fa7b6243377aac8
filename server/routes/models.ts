/**
 * GET /v1/models and /v1/models/{id}: every model, loaded or not.
 *
 * @module
 */

import { z } from "zod";
import type { EngineInfo } from "../../src/engine/types.ts";
import type { ModelListing, ModelOutline, ModelStatus } from "../models/models.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import type { ApiRoute } from "./route.ts";

const STATUSES = [
  "unloaded",
  "loading",
  "loaded",
  "unloading",
  "failed",
] as const satisfies readonly ModelStatus[];

/** One model; what its file says is left out while that is not on this machine. */
export const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
  aliases: z.array(z.string()),
  /** Under llama.cpp's name. */
  status: z.object({ value: z.enum(STATUSES), failure: z.string().optional() }),
  max_model_len: count.optional(),
  /** The same under names that routers and agents look for. */
  context_length: count.optional(),
  context_window: count.optional(),
  max_input_tokens: count.optional(),
  max_tokens: count.optional(),
  /** Anthropic's words for what it is. */
  type: z.literal("model"),
  display_name: z.string(),
  created_at: z.iso.datetime(),
  lifecycle: z.literal("active"),
  line: z.null(),
  capabilities: z.null(),
  deprecated_at: z.null(),
  retires_at: z.null(),
  /** What is in force is there if it is loaded. */
  meta: z.object({
    n_ctx_train: count,
    n_ctx: count,
    size: count,
    n_vocab: count.optional(),
    n_params: count.optional(),
    kv_profile: z.string().optional(),
    adapter: z.string().optional(),
    adapter_is_fallback: z.boolean().optional(),
  }).optional(),
});

/** The list of models. */
const modelsAnswer = z.object({
  object: z.literal("list"),
  data: z.array(modelAnswer),
  has_more: z.literal(false),
  first_id: z.string(),
  last_id: z.string(),
});

function contextFields(contextLength: number): object {
  return {
    max_model_len: contextLength,
    context_length: contextLength,
    context_window: contextLength,
    max_input_tokens: contextLength,
    max_tokens: contextLength,
  };
}

function metaOfLoaded(info: EngineInfo): object {
  return {
    n_vocab: info.vocabSize,
    n_ctx_train: info.contextLengthTrained,
    n_ctx: info.contextLength,
    n_params: info.parameterCount,
    size: info.modelSizeBytes,
    kv_profile: info.profile,
    adapter: info.adapter,
    adapter_is_fallback: info.adapterIsFallback,
  };
}

function metaOfOutline({ contextLength, contextLengthTrained, sizeBytes }: ModelOutline): object {
  return { n_ctx_train: contextLengthTrained, n_ctx: contextLength, size: sizeBytes };
}

/** A model as clients read it. */
export function modelBody(
  { createdSeconds }: RouteContext,
  { id, aliases, status, info, outline, failure }: ModelListing,
): object {
  const contextLength = info?.contextLength ?? outline?.contextLength ?? null;
  return {
    id,
    object: "model",
    created: createdSeconds,
    owned_by: "packkv",
    aliases,
    status: { value: status, ...(failure === null ? {} : { failure }) },
    ...(contextLength === null ? {} : contextFields(contextLength)),
    type: "model",
    display_name: id,
    created_at: new Date(createdSeconds * 1000).toISOString(),
    lifecycle: "active",
    ...{ line: null, capabilities: null, deprecated_at: null, retires_at: null },
    ...(info ? { meta: metaOfLoaded(info) } : outline ? { meta: metaOfOutline(outline) } : {}),
  };
}

/** Lists the models. */
export function modelsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/models",
    handler: async (context) => {
      const listings = await routes.models.list();
      return context.json({
        object: "list",
        data: listings.map((listing) => modelBody(routes, listing)),
        has_more: false,
        first_id: listings[0].id,
        last_id: listings.at(-1)!.id,
      });
    },
    doc: { summary: "List the models", answer: modelsAnswer },
  };
}

/** Describes one by any of its names. */
export function modelRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/models/:id{.+}",
    handler: async (context) => {
      const id = routes.models.find(context.req.param("id") ?? null);
      const listing = (await routes.models.list()).find((each) => each.id === id)!;
      return context.json(modelBody(routes, listing));
    },
    doc: {
      summary: "Describe a model",
      answer: modelAnswer,
      errors: [404],
      params: { id: "its name, or an alias" },
    },
  };
}
