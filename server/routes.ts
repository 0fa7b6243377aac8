/**
 * Every route of the API with its schemas: what is served is what is documented.
 *
 * @module
 */

import type { MetricsOfModels } from "./models/model_metrics.ts";
import type { RouteContext } from "./openai/route_context.ts";
import { applyTemplateRoute } from "./routes/apply_template.ts";
import { chatRoute } from "./routes/chat_completions.ts";
import { completionRoute } from "./routes/completions.ts";
import { detokenizeRoute } from "./routes/detokenize.ts";
import { embeddingsRoute } from "./routes/embeddings.ts";
import { healthRoute, liveRoute, sleepRoute } from "./routes/health.ts";
import { countTokensRoute, messagesRoute } from "./routes/messages.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { loadRoute, unloadRoute } from "./routes/load_models.ts";
import { modelRoute, modelsRoute } from "./routes/models.ts";
import { propsRoute } from "./routes/props.ts";
import { responsesRoutes } from "./routes/responses.ts";
import type { ApiRoute } from "./routes/route.ts";
import { slotActionRoute, slotsRoute } from "./routes/slots.ts";
import { tokenizeRoute } from "./routes/tokenize.ts";

/** All routes, without `/v1`. */
export function apiRoutes(
  routes: RouteContext,
  { metrics, slotFolder }: { metrics: MetricsOfModels; slotFolder: string | null },
): ApiRoute[] {
  return [
    chatRoute(routes),
    completionRoute(routes),
    embeddingsRoute(routes),
    ...responsesRoutes(routes),
    messagesRoute(routes),
    countTokensRoute(routes),
    modelsRoute(routes),
    modelRoute(routes),
    loadRoute(routes),
    unloadRoute(routes),
    propsRoute(routes),
    tokenizeRoute(routes),
    detokenizeRoute(routes),
    applyTemplateRoute(routes),
    slotsRoute(routes),
    slotActionRoute(routes, slotFolder),
    healthRoute(routes),
    liveRoute(routes),
    sleepRoute(),
    metricsRoute(metrics),
  ];
}
