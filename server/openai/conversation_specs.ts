/**
 * From a checked conversation to the generations it takes, in whatever protocol it came.
 *
 * @module
 */

import { EngineError } from "../../src/core/errors.ts";
import type { ServedModel } from "../state.ts";
import { answerReading } from "./answer_reading.ts";
import { type Conversation, renderChat } from "./chat_prompt.ts";
import { ApiError } from "./errors.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import type { Message } from "./past_messages.ts";
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
  /** Whether `maxTokens` is a limit only, as of {@link fitLengths}; no if left out. */
  isLimitOnly?: boolean;
  /** Whether its blocks are kept before those of others; as they are if left out. */
  pins?: boolean | null;
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
  const { conversation, structure, reasoningLimit } = request;
  const { conversations } = model;
  checkChatLength(model, conversation.messages, param);
  const prepared = conversations?.prepare(conversation.messages, request.cacheSalt) ?? null;
  const { messages } = prepared ?? conversation;
  const fitted = await fitPrompt({ ...request, messages }, model, param);
  const { prompt, isAsSampled, ...lengths } = fitted;
  const reading = answerReading(model, structure, { prompt, reasoningLimit });
  // Of several answers to a prompt one at most is continued.
  const isAlone = request.choiceCount === 1;
  const isContinued = (conversations?.rereads ?? false) && isAlone;
  const recorder = isAlone ? prepared?.recorder ?? null : null;
  const report = prepared && { ...prepared.report, ...(isAsSampled ? {} : { replayedCount: 0 }) };
  const pins = request.pins ?? null;
  const spec = { ...lengths, isContinued, pins, recorder, report, echo: null, ...reading };
  return toSpecs(request, spec, model);
}

/** A conversation as a prompt that fits. */
interface FittedPrompt {
  promptIds: readonly number[];
  maxTokens: number;
  messageEnds: readonly number[];
  /** Its text, also what was cut off. */
  prompt: string;
  /** Whether earlier answers stand in it as they were sampled, where they are known. */
  isAsSampled: boolean;
}

/**
 * The prompt with earlier answers as they were sampled, or else as the template writes them, which
 * it may want to, and which may be shorter.
 */
async function fitPrompt(
  request: ConversationRequest & { messages: readonly Message[] },
  model: ServedModel,
  param: string,
): Promise<FittedPrompt> {
  const { conversation, messages, promptCut } = request;
  const limit = { contextLength: model.engine.info.contextLength, param };
  const countMax = promptCut === null ? limit.contextLength : Infinity;
  try {
    const rendering = renderChat(model, { ...conversation, messages }, countMax);
    const { ids, text: prompt, messageEnds: ends = [] } = await fittingIds(rendering, limit);
    const lengths = fitLengths(ids, { ...request, ...limit });
    const cutCount = ids.length - lengths.promptIds.length;
    const messageEnds = ends.map((end) => end - cutCount).filter((end) => end > 0);
    return { ...lengths, messageEnds, prompt, isAsSampled: true };
  } catch (error) {
    const isRefusal = error instanceof ApiError || error instanceof EngineError;
    if (!isRefusal || messages.every(({ sampledIds }) => !sampledIds)) throw error;
    const written = messages.map(({ sampledIds: _, ...message }) => message);
    const fitted = await fitPrompt({ ...request, messages: written }, model, param);
    return { ...fitted, isAsSampled: false };
  }
}
