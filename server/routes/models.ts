/**
 * GET /v1/models and /v1/models/{id}: the one model.
 *
 * @module
 */

import { z } from "zod";
import { checkModelName, readyModel, type RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import type { ServedModel } from "../state.ts";
import type { ApiRoute } from "./route.ts";

/** One model. */
const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
  aliases: z.array(z.string()),
  max_model_len: count,
  /** The same under names that routers and agents look for. */
  context_length: count,
  context_window: count,
  max_input_tokens: count,
  max_tokens: count,
  /** Anthropic's words for what it is. */
  type: z.literal("model"),
  display_name: z.string(),
  created_at: z.iso.datetime(),
  meta: z.object({
    n_vocab: count,
    n_ctx_train: count,
    n_ctx: count,
    n_params: count,
    size: count,
    kv_profile: z.string(),
    adapter: z.string(),
    adapter_is_fallback: z.boolean(),
  }),
});

/** The list of models. */
const modelsAnswer = z.object({
  object: z.literal("list"),
  data: z.array(modelAnswer),
  has_more: z.literal(false),
  first_id: z.string(),
  last_id: z.string(),
});

function modelBody(routes: RouteContext, { engine: { info } }: ServedModel): object {
  return {
    id: routes.modelId,
    object: "model",
    created: routes.createdSeconds,
    owned_by: "packkv",
    aliases: routes.aliases,
    max_model_len: info.contextLength,
    context_length: info.contextLength,
    context_window: info.contextLength,
    max_input_tokens: info.contextLength,
    max_tokens: info.contextLength,
    type: "model",
    display_name: routes.modelId,
    created_at: new Date(routes.createdSeconds * 1000).toISOString(),
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

/** Lists the one model. */
export function modelsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/models",
    handler: (context) => {
      const model = readyModel(routes.state);
      const { modelId: id } = routes;
      const data = [modelBody(routes, model)];
      return context.json({ object: "list", data, has_more: false, first_id: id, last_id: id });
    },
    doc: { summary: "List the one model", answer: modelsAnswer },
  };
}

/** Describes it by any of its names. */
export function modelRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/models/:id{.+}",
    handler: (context) => {
      checkModelName(routes, context.req.param("id") ?? null);
      return context.json(modelBody(routes, readyModel(routes.state)));
    },
    doc: {
      summary: "Describe the model",
      answer: modelAnswer,
      errors: [404],
      params: { id: "its name, or an alias" },
    },
  };
}
