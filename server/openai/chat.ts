/**
 * POST /v1/chat/completions.
 *
 * @module
 */

import type { Context } from "hono";
import { watchOf } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";
import { answer, type AnswerPlan } from "./answer.ts";
import { CHAT_FORMAT } from "./answer_format.ts";
import { readJson } from "./parse_body.ts";
import {
  checkModelName,
  fittingIds,
  readyModel,
  roomFor,
  type RouteContext,
} from "./route_context.ts";
import { type ChatRequest, parseChatRequest } from "./schema_chat.ts";
import { toSpecs } from "./specs.ts";
import { checkChatLength } from "./text_limit.ts";
import { renderChat } from "./tool_prompt.ts";

async function plan(request: ChatRequest, model: ServedModel): Promise<AnswerPlan> {
  const { messages, structure } = request;
  checkChatLength(model, messages, "messages");
  const limit = { contextLength: model.engine.info.contextLength, param: "messages" };
  const promptIds = await fittingIds(renderChat(model, messages, structure.toolUse), limit);
  const maxTokens = roomFor(promptIds.length, request.maxTokens, limit);
  const { grammar, param: grammarParam } = structure;
  const readsCalls = structure.toolUse !== null;
  const prompt = { promptIds, maxTokens, echo: null, grammar, grammarParam, readsCalls };
  const choices = toSpecs(request, prompt, model);
  return { format: CHAT_FORMAT, stream: request, choices, promptTokenCount: promptIds.length };
}

/** Makes the handler of chat completions. */
export function chatRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const request = parseChatRequest(await readJson(context.req));
    checkModelName(routes, request.model);
    const model = readyModel(routes.state);
    const clientSignal = context.req.raw.signal;
    const watch = watchOf(context);
    return await answer(await plan(request, model), { routes, model, clientSignal, watch });
  };
}
