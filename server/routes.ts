/**
 * Every route of the API with its schemas: what is served is what is documented.
 *
 * @module
 */

import type { ServerMetrics } from "./metrics.ts";
import { chatRoute } from "./openai/chat.ts";
import { completionRoute } from "./openai/completion.ts";
import { responsesRoute } from "./openai/responses.ts";
import type { RouteContext } from "./openai/route_context.ts";
import {
  chatAnswer,
  chatChunk,
  completionAnswer,
  completionChunk,
} from "./openai/schema_answers.ts";
import { chatSchema } from "./openai/schema_chat.ts";
import { completionSchema } from "./openai/schema_completion.ts";
import { responsesAnswer, responsesEvent } from "./openai/responses/answer.ts";
import { responsesSchema } from "./openai/responses/request.ts";
import { applyTemplateRoute } from "./routes/apply_template.ts";
import { detokenizeRoute } from "./routes/detokenize.ts";
import { healthRoute, liveRoute } from "./routes/health.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { modelRoute, modelsRoute } from "./routes/models.ts";
import { propsRoute } from "./routes/props.ts";
import type { ApiRoute } from "./routes/route.ts";
import { slotActionRoute, slotsRoute } from "./routes/slots.ts";
import { tokenizeRoute } from "./routes/tokenize.ts";

/** Failures of requests that generate. */
const GENERATION_ERRORS = [404, 429, 504];

function generationRoutes(routes: RouteContext): ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/chat/completions",
      handler: chatRoute(routes),
      doc: {
        summary: "Answer a conversation",
        request: chatSchema,
        answer: chatAnswer,
        chunk: chatChunk,
        errors: GENERATION_ERRORS,
      },
    },
    {
      method: "POST",
      path: "/completions",
      handler: completionRoute(routes),
      doc: {
        summary: "Continue a text, or give its likelihood",
        request: completionSchema,
        answer: completionAnswer,
        chunk: completionChunk,
        errors: GENERATION_ERRORS,
      },
    },
  ];
}

function responsesRoutes(routes: RouteContext): ApiRoute[] {
  return [{
    method: "POST",
    path: "/responses",
    handler: responsesRoute(routes),
    doc: {
      summary: "Answer an input; nothing is stored",
      request: responsesSchema,
      answer: responsesAnswer,
      chunk: responsesEvent,
      errors: GENERATION_ERRORS,
    },
  }];
}

/** All routes, without `/v1`. */
export function apiRoutes(
  routes: RouteContext,
  { metrics, slotFolder }: { metrics: ServerMetrics; slotFolder: string | null },
): ApiRoute[] {
  return [
    ...generationRoutes(routes),
    ...responsesRoutes(routes),
    modelsRoute(routes),
    modelRoute(routes),
    propsRoute(routes),
    tokenizeRoute(routes),
    detokenizeRoute(routes),
    applyTemplateRoute(routes),
    slotsRoute(routes),
    slotActionRoute(routes, slotFolder),
    healthRoute(routes),
    liveRoute(routes),
    metricsRoute(routes, metrics),
  ];
}
