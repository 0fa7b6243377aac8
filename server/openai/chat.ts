/**
 * POST /v1/chat/completions.
 *
 * @module
 */

import type { Context } from "hono";
import type { ServedModel } from "../state.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { CHAT_FORMAT } from "./answer_format.ts";
import { readJson } from "./parse_body.ts";
import { checkModelName, readyModel, roomFor, type RouteContext } from "./route_context.ts";
import { type ChatRequest, parseChatRequest } from "./schema_chat.ts";
import { toSpecs } from "./specs.ts";

function plan(request: ChatRequest, model: ServedModel): AnswerPlan {
  const promptIds = model.chatTemplate.render(request.messages, { addGenerationPrompt: true }).ids;
  const { contextLength } = model.engine.info;
  const maxTokens = roomFor(promptIds.length, request.maxTokens, {
    contextLength,
    param: "messages",
  });
  const specs = toSpecs(request, { promptIds, maxTokens, echo: null }, model);
  const promptTokenCount = promptIds.length;
  return { format: CHAT_FORMAT, stream: request, choices: specs, promptTokenCount };
}

/** Makes the handler of chat completions. */
export function chatRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const request = parseChatRequest(await readJson(context.req));
    checkModelName(routes, request.model);
    const model = readyModel(routes.state);
    const clientSignal = context.req.raw.signal;
    return await answer(plan(request, model), { routes, model, clientSignal });
  };
}
