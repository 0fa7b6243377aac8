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
import { renderChat } from "./chat_prompt.ts";
import { readJson } from "./parse_body.ts";
import { checkModelName, fittingIds, readyModel, type RouteContext } from "./route_context.ts";
import { type ChatRequest, parseChatRequest } from "./schema_chat.ts";
import { fitLengths } from "./schema_lengths.ts";
import { toSpecs } from "./specs.ts";
import { checkChatLength } from "./text_limit.ts";

async function plan(request: ChatRequest, model: ServedModel): Promise<AnswerPlan> {
  const { conversation, structure, promptCut } = request;
  checkChatLength(model, conversation.messages, "messages");
  const limit = { contextLength: model.engine.info.contextLength, param: "messages" };
  const countMax = promptCut === null ? limit.contextLength : Infinity;
  const { ids } = await fittingIds(renderChat(model, conversation, countMax), limit);
  const lengths = fitLengths(ids, { ...request, ...limit });
  const { grammar, param: grammarParam, toolUse } = structure;
  const prompt = { ...lengths, echo: null, grammar, grammarParam, readsCalls: toolUse !== null };
  const choices = toSpecs(request, prompt, model);
  const promptTokenCount = lengths.promptIds.length;
  const { requestId } = request;
  return { format: CHAT_FORMAT, stream: request, choices, promptTokenCount, requestId };
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
