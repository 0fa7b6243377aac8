/**
 * Every route of the API with its schemas: what is served is what is documented.
 *
 * @module
 */

import type { Handler } from "hono";
import type { ServerMetrics } from "./metrics.ts";
import { chatRoute } from "./openai/chat.ts";
import { completionRoute } from "./openai/completion.ts";
import { healthRoute, liveRoute, modelRoute, modelsRoute, propsRoute } from "./openai/models.ts";
import type { DocumentedRoute } from "./openai/openapi.ts";
import { responsesRoute } from "./openai/responses.ts";
import type { RouteContext } from "./openai/route_context.ts";
import {
  chatAnswer,
  chatChunk,
  completionAnswer,
  completionChunk,
  detokenizeAnswer,
  healthAnswer,
  modelAnswer,
  modelsAnswer,
  propsAnswer,
  slotActionAnswer,
  slotsAnswer,
  templateAnswer,
  tokenizeAnswer,
} from "./openai/schema_answers.ts";
import { chatSchema, templateSchema } from "./openai/schema_chat.ts";
import { completionSchema } from "./openai/schema_completion.ts";
import { responsesAnswer, responsesEvent, responsesSchema } from "./openai/schema_responses.ts";
import {
  applyTemplateRoute,
  detokenizeRoute,
  detokenizeSchema,
  tokenizeRoute,
  tokenizeSchema,
} from "./openai/tokenize.ts";
import { slotActionRoute, slotActionSchema, slotsRoute } from "./slots.ts";

/** A route, what answers it, and what is told of it. */
export interface ApiRoute extends DocumentedRoute {
  handler: Handler;
}

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
        summary: "Continue a text, or tell its likelihood",
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
      summary: "Answer an input, keeping nothing",
      request: responsesSchema,
      answer: responsesAnswer,
      chunk: responsesEvent,
      errors: GENERATION_ERRORS,
    },
  }];
}

function modelRoutes(routes: RouteContext): ApiRoute[] {
  return [
    {
      method: "GET",
      path: "/models",
      handler: modelsRoute(routes),
      doc: { summary: "List the one model", answer: modelsAnswer },
    },
    {
      method: "GET",
      path: "/models/:id{.+}",
      handler: modelRoute(routes),
      doc: {
        summary: "Tell of the model",
        answer: modelAnswer,
        errors: [404],
        params: { id: "its name, or an alias" },
      },
    },
    {
      method: "GET",
      path: "/props",
      handler: propsRoute(routes),
      doc: { summary: "Tell what is in force", answer: propsAnswer },
    },
  ];
}

function textRoutes(routes: RouteContext): ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/tokenize",
      handler: tokenizeRoute(routes),
      doc: { summary: "Token ids of a text", request: tokenizeSchema, answer: tokenizeAnswer },
    },
    {
      method: "POST",
      path: "/detokenize",
      handler: detokenizeRoute(routes),
      doc: { summary: "Text of ids", request: detokenizeSchema, answer: detokenizeAnswer },
    },
    {
      method: "POST",
      path: "/apply-template",
      handler: applyTemplateRoute(routes),
      doc: {
        summary: "Render a conversation without answering it",
        request: templateSchema,
        answer: templateAnswer,
      },
    },
  ];
}

function slotRoutes(routes: RouteContext, slotFolder: string | null): ApiRoute[] {
  return [
    {
      method: "GET",
      path: "/slots",
      handler: slotsRoute(routes),
      doc: { summary: "What runs in each slot", answer: slotsAnswer },
    },
    {
      method: "POST",
      path: "/slots/:id",
      handler: slotActionRoute(routes, slotFolder),
      doc: {
        summary: "Save, restore or erase (`?action=`) what the cache has of a slot's last prompt",
        request: slotActionSchema,
        answer: slotActionAnswer,
        errors: [507],
        params: { id: "number of the slot" },
      },
    },
  ];
}

/** All routes, without `/v1`. */
export function apiRoutes(
  routes: RouteContext,
  { metrics, slotFolder }: { metrics: ServerMetrics; slotFolder: string | null },
): ApiRoute[] {
  return [
    ...generationRoutes(routes),
    ...responsesRoutes(routes),
    ...modelRoutes(routes),
    ...textRoutes(routes),
    ...slotRoutes(routes, slotFolder),
    {
      method: "GET",
      path: "/health",
      handler: healthRoute(routes),
      doc: { summary: "Whether requests are answered (readiness)", answer: healthAnswer },
    },
    {
      method: "GET",
      path: "/livez",
      handler: liveRoute(routes),
      doc: {
        summary: "Whether the process works, loading included (liveness)",
        answer: healthAnswer,
      },
    },
    {
      method: "GET",
      path: "/metrics",
      handler: async (context) => {
        const headers = { "Content-Type": metrics.contentType };
        return context.body(await metrics.render(routes.state), 200, headers);
      },
      doc: { summary: "Prometheus metrics", answer: "text/plain" },
    },
  ];
}
