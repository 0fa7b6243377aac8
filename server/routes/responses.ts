/**
 * POST /v1/responses: one generation as output items, streamed event by event. A whole answer is
 * what the last event holds.
 *
 * @module
 */

import { invariant } from "../../src/core/errors.ts";
import { conversationSpecs } from "../openai/conversation_specs.ts";
import { readJson } from "../openai/parse_body.ts";
import { openScope } from "../openai/request_scope.ts";
import { responsesAnswer, responsesEvent } from "../openai/responses/answer.ts";
import { eventsOf } from "../openai/responses/events.ts";
import { EventFrames } from "../openai/responses/frames.ts";
import type { Event } from "../openai/responses/items.ts";
import { parseResponsesRequest, responsesSchema } from "../openai/responses/request.ts";
import { checkModelName, readyModel, type RouteContext } from "../openai/route_context.ts";
import { answerSse } from "../openai/sse.ts";
import { watchOf } from "../request_watch.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

async function* endWith<T>(source: AsyncGenerator<T>, end: () => void): AsyncGenerator<T> {
  try {
    yield* source;
  } finally {
    end();
  }
}

/** Answers an input; nothing is stored. */
export function responsesRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/responses",
    handler: async (context) => {
      const request = parseResponsesRequest(await readJson(context.req));
      checkModelName(routes, request.model);
      const model = readyModel(routes.state);
      const [spec] = await conversationSpecs(request, model, "input");
      const watch = watchOf(context);
      const clientSignal = context.req.raw.signal;
      const { signal, clientGone, end } = openScope(routes.state, { clientSignal, watch });
      const events = endWith(eventsOf({ request, spec, model, routes, signal, watch }), end);
      if (request.stream) {
        const frames = new EventFrames();
        return await answerSse(frames.frames(events), {
          pingIntervalMs: routes.pingIntervalMs,
          onCancel: clientGone,
          toErrorFrames: (error) => frames.errorFrames(error),
        });
      }
      let last: Event | null = null;
      for await (const event of events) last = event;
      invariant(last !== null, "an answer has a last event");
      return Response.json(last.response);
    },
    doc: {
      summary: "Answer an input; nothing is stored",
      request: responsesSchema,
      answer: responsesAnswer,
      chunk: responsesEvent,
      errors: GENERATION_ERRORS,
    },
  };
}
