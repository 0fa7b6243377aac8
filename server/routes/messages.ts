/**
 * POST /v1/messages and /v1/messages/count_tokens: Anthropic's protocol.
 *
 * @module
 */

import type { Context } from "hono";
import { countAnswer, messageAnswer, messageError, messageEvent } from "../anthropic/answer.ts";
import { toMessageError } from "../anthropic/errors.ts";
import { type Event, eventsOf } from "../anthropic/events.ts";
import {
  countSchema,
  messagesSchema,
  parseCountRequest,
  parseMessagesRequest,
} from "../anthropic/request.ts";
import { withModel } from "../models/with_model.ts";
import { renderChat, unreadHints } from "../openai/chat_prompt.ts";
import { conversationSpecs } from "../openai/conversation_specs.ts";
import { ApiError } from "../openai/errors.ts";
import { readJson } from "../openai/parse_body.ts";
import { openScope } from "../openai/request_scope.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { answerSse } from "../openai/sse.ts";
import { idOf } from "../request_id.ts";
import { readPins } from "../replay/pin_header.ts";
import { withReport } from "../replay/report_header.ts";
import { watchOf } from "../request_watch.ts";
import { withWarnings } from "../warnings.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

const VERSIONS = ["2023-06-01", "2026-10-21", "2023-01-01"];

/** @throws {ApiError} 400 for a version of the protocol that is not known. */
function checkVersion(context: Context): void {
  const version = context.req.header("anthropic-version");
  if (version === undefined || VERSIONS.includes(version)) return;
  const message = `Cannot answer in version ${JSON.stringify(version)} of the protocol: expected ` +
    `${VERSIONS.slice(0, 2).join(" or ")} in the header anthropic-version`;
  throw new ApiError(400, message, { param: "anthropic-version", code: "invalid_value" });
}

const toFrame = (event: Event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

async function* framesOf(events: AsyncGenerator<Event>, end: () => void): AsyncGenerator<string> {
  try {
    for await (const event of events) yield toFrame(event);
  } finally {
    end();
  }
}

/** The message that all events of an answer make. */
async function wholeOf(events: AsyncGenerator<Event, object>, end: () => void): Promise<object> {
  try {
    while (true) {
      const { done, value } = await events.next();
      if (done) return value;
    }
  } finally {
    end();
  }
}

/** Answers messages. */
export function messagesRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/messages",
    handler: async (context) => {
      checkVersion(context);
      const pins = readPins(context);
      const request = { ...parseMessagesRequest(await readJson(context.req)), pins };
      const toErrorFrames = (error: unknown) => {
        return toFrame(toMessageError(error, idOf(context)).body as Event);
      };
      const { model: name, stream: streams } = request;
      return await withModel({ routes, context, name, streams, toErrorFrames }, async (model) => {
        const [spec] = await conversationSpecs(request, model, "messages");
        const { pingIntervalMs, state } = routes;
        const watch = watchOf(context);
        const clientSignal = context.req.raw.signal;
        const { signal, clientGone, end } = openScope(state, { clientSignal, watch });
        const events = eventsOf({ spec, model, signal, watch });
        const warnings = [
          ...request.warnings,
          ...unreadHints(model.chatTemplate, request.conversation.hints),
        ];
        const say = (response: Response) =>
          withReport(withWarnings(response, warnings), spec.report);
        if (!streams) return say(Response.json(await wholeOf(events, end)));
        const pingFrame = toFrame({ type: "ping" });
        const options = { pingIntervalMs, onCancel: clientGone, toErrorFrames, pingFrame };
        return say(await answerSse(framesOf(events, end), options));
      });
    },
    doc: {
      summary: "Answer messages in Anthropic's protocol",
      request: messagesSchema,
      answer: messageAnswer,
      chunk: messageEvent,
      error: messageError,
      errors: GENERATION_ERRORS,
    },
  };
}

/** Counts the tokens of a prompt. */
export function countTokensRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/messages/count_tokens",
    handler: async (context) => {
      checkVersion(context);
      const request = parseCountRequest(await readJson(context.req));
      return await withModel({ routes, context, name: request.model }, async (model) => {
        const { ids } = await renderChat(model, request.conversation);
        return context.json({ input_tokens: ids.length });
      });
    },
    doc: {
      summary: "Count the tokens of messages",
      request: countSchema,
      answer: countAnswer,
      error: messageError,
      errors: [404],
    },
  };
}
