/**
 * POST /v1/responses: one generation as output items, streamed event by event. A whole answer is
 * what the last event holds. GET and DELETE of /v1/responses/{id}: answers that are kept.
 *
 * @module
 */

import { invariant } from "../../src/core/errors.ts";
import { withModel } from "../models/with_model.ts";
import { unreadHints } from "../openai/chat_prompt.ts";
import { conversationSpecs } from "../openai/conversation_specs.ts";
import { readJson } from "../openai/parse_body.ts";
import { openScope } from "../openai/request_scope.ts";
import { responseDeleted, responsesAnswer, responsesEvent } from "../openai/responses/answer.ts";
import { eventsOf } from "../openai/responses/events.ts";
import { EventFrames } from "../openai/responses/frames.ts";
import type { Event } from "../openai/responses/items.ts";
import { KeptResponses } from "../openai/responses/kept.ts";
import { parseResponsesRequest, responsesSchema } from "../openai/responses/request.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { answerSse } from "../openai/sse.ts";
import { readPins } from "../replay/pin_header.ts";
import { withReport } from "../replay/report_header.ts";
import { watchOf } from "../request_watch.ts";
import { withWarnings } from "../warnings.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

async function* endWith<T>(source: AsyncGenerator<T>, end: () => void): AsyncGenerator<T> {
  try {
    yield* source;
  } finally {
    end();
  }
}

/** Answers an input. */
function answerRoute(routes: RouteContext, kept: KeptResponses): ApiRoute {
  return {
    method: "POST",
    path: "/responses",
    handler: async (context) => {
      const pins = readPins(context);
      const request = { ...parseResponsesRequest(await readJson(context.req), kept), pins };
      const frames = new EventFrames();
      const toErrorFrames = (error: unknown) => frames.errorFrames(error);
      const { model: name, stream: streams } = request;
      return await withModel({ routes, context, name, streams, toErrorFrames }, async (model) => {
        const [spec] = await conversationSpecs(request, model, "input");
        const watch = watchOf(context);
        const clientSignal = context.req.raw.signal;
        const { signal, clientGone, end } = openScope(routes.state, { clientSignal, watch });
        const events = endWith(eventsOf({ request, spec, model, signal, watch, kept }), end);
        const warnings = [
          ...request.warnings,
          ...unreadHints(model.chatTemplate, request.conversation.hints),
        ];
        const say = (response: Response) =>
          withReport(withWarnings(response, warnings), spec.report);
        if (streams) {
          const { pingIntervalMs } = routes;
          const options = { pingIntervalMs, onCancel: clientGone, toErrorFrames };
          return say(await answerSse(frames.frames(events), options));
        }
        let last: Event | null = null;
        for await (const event of events) last = event;
        invariant(last !== null, "an answer has a last event");
        return say(Response.json(last.response));
      });
    },
    doc: {
      summary: "Answer an input, with what came before it",
      request: responsesSchema,
      answer: responsesAnswer,
      chunk: responsesEvent,
      errors: GENERATION_ERRORS,
    },
  };
}

/** Gives an answer that is kept. */
function readRoute(kept: KeptResponses): ApiRoute {
  return {
    method: "GET",
    path: "/responses/:id",
    handler: (context) => context.json(kept.get(context.req.param("id") ?? "").answer),
    doc: {
      summary: "Show an answer that is kept",
      answer: responsesAnswer,
      errors: [404],
      params: { id: "its id" },
    },
  };
}

/** Forgets it. */
function deleteRoute(kept: KeptResponses): ApiRoute {
  return {
    method: "DELETE",
    path: "/responses/:id",
    handler: (context) => {
      const { id } = kept.get(context.req.param("id") ?? "").answer;
      kept.delete(id);
      return context.json({ id, object: "response.deleted", deleted: true });
    },
    doc: {
      summary: "Forget an answer that is kept",
      answer: responseDeleted,
      errors: [404],
      params: { id: "its id" },
    },
  };
}

/** Answers inputs, and keeps the answers. */
export function responsesRoutes(routes: RouteContext): ApiRoute[] {
  const kept = new KeptResponses();
  return [answerRoute(routes, kept), readRoute(kept), deleteRoute(kept)];
}
