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
const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelAnswer) });

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

/** Lists the one model. */
export function modelsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/models",
    handler: (context) => {
      const model = readyModel(routes.state);
      return context.json({ object: "list", data: [modelBody(routes, model)] });
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
