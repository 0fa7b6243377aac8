/**
 * From a checked conversation to the generations it takes, in whatever protocol it came.
 *
 * @module
 */

import type { ServedModel } from "../state.ts";
import { answerReading } from "./answer_reading.ts";
import { type Conversation, renderChat } from "./chat_prompt.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import { fittingIds } from "./route_context.ts";
import type { CommonRequest } from "./schema_common.ts";
import { fitLengths, type ReasoningLimit } from "./schema_lengths.ts";
import { toSpecs } from "./specs.ts";
import type { Structure } from "./structured.ts";
import { checkChatLength } from "./text_limit.ts";

/** A conversation that is to be answered. */
export interface ConversationRequest extends CommonRequest {
  conversation: Conversation;
  structure: Structure;
  /** Null: as many as the context has room for. */
  maxTokens: number | null;
  /** Most tokens of the prompt that are kept, the last ones; null keeps all. */
  promptCut: number | null;
  /** Null: thoughts may take as long as they want. */
  reasoningLimit: ReasoningLimit | null;
}

/**
 * One generation for each choice.
 *
 * @param param The field that the messages came in.
 * @throws {ApiError} 400 if the conversation does not fit, or asks for what the model has not.
 */
export async function conversationSpecs(
  request: ConversationRequest,
  model: ServedModel,
  param: string,
): Promise<GenerationSpec[]> {
  const { conversation, structure, promptCut, reasoningLimit } = request;
  checkChatLength(model, conversation.messages, param);
  const limit = { contextLength: model.engine.info.contextLength, param };
  const countMax = promptCut === null ? limit.contextLength : Infinity;
  const rendering = renderChat(model, conversation, countMax);
  const { ids, text: prompt, messageEnds: ends = [] } = await fittingIds(rendering, limit);
  const lengths = fitLengths(ids, { ...request, ...limit });
  const reading = answerReading(model, structure, { prompt, reasoningLimit });
  const cutCount = ids.length - lengths.promptIds.length;
  const messageEnds = ends.map((end) => end - cutCount).filter((end) => end > 0);
  const isContinued = (model.conversations?.rereads ?? false) && request.choiceCount === 1;
  const spec = { ...lengths, messageEnds, isContinued, echo: null, ...reading };
  return toSpecs(request, spec, model);
}
