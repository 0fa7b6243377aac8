/**
 * POST /tokenize, /detokenize and /apply-template, under llama.cpp's and vLLM's names.
 *
 * @module
 */

import type { Context } from "hono";
import { z } from "zod";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { agreed } from "./agreed.ts";
import { renderChat } from "./chat_prompt.ts";
import { ApiError } from "./errors.ts";
import { parseBody, readJson } from "./parse_body.ts";
import { checkModelName, readyModel, type RouteContext } from "./route_context.ts";
import { commonFields } from "./schema_common.ts";
import { conversationFields, toConversation } from "./schema_messages.ts";
import { checkIds } from "./specs.ts";
import { toToolUse } from "./structured.ts";
import { refuseUnsupported } from "./unsupported.ts";

const { model } = commonFields;

/** What is to be told of the tokens, whatever they are of. */
const answerFields = {
  model,
  with_pieces: z.boolean().nullish(),
  return_token_strs: z.boolean().nullish(),
};

/** `content` and `add_special` are llama.cpp's names, `prompt` and `add_special_tokens` vLLM's. */
const textFields = {
  content: z.string().nullish(),
  prompt: z.string().nullish(),
  add_special: z.boolean().nullish(),
  add_special_tokens: z.boolean().nullish(),
  parse_special: z.boolean().nullish(),
};

/** A text, or messages. */
export const tokenizeSchema = z.object({
  ...answerFields,
  ...textFields,
  ...conversationFields,
  messages: conversationFields.messages.nullish(),
});

/** Ids, under the name both have. */
export const detokenizeSchema = z.object({ model, tokens: z.array(z.number().int().min(0)) });

/** A conversation alone. */
export const templateSchema = z.object({ model, ...conversationFields });

const OF_TEXT = Object.keys({ ...answerFields, ...textFields });
const OF_MESSAGES = Object.keys({ ...answerFields, ...conversationFields });

type TokenizeBody = z.infer<typeof tokenizeSchema>;

async function tokenizeText(
  { tokenizer, prompts }: ServedModel,
  text: string,
  body: TokenizeBody,
): Promise<number[]> {
  const { content, parse_special, add_special, add_special_tokens } = body;
  const tokens = await prompts.tokenize(text, { parseSpecial: parse_special ?? true });
  // llama.cpp adds BOS only when asked, vLLM unless told not to.
  const wantsBos = agreed({ add_special, add_special_tokens }) ?? typeof content !== "string";
  const { addBos, bosId } = tokenizer;
  return wantsBos && addBos && bosId !== null ? [bosId, ...tokens] : tokens;
}

/** Token ids of what a body has. */
async function tokensOf(
  served: ServedModel,
  parsed: TokenizeBody,
  body: unknown,
): Promise<number[]> {
  const { content, prompt, messages } = parsed;
  const text = agreed({ content, prompt });
  if (messages && text) {
    const message = "Cannot accept messages: there is a text to tokenize";
    throw new ApiError(400, message, { param: "messages", code: "invalid_value" });
  }
  if (messages) {
    refuseUnsupported(body, OF_MESSAGES, "prompt");
    const conversation = toConversation({ ...parsed, messages }, toToolUse(parsed));
    return (await renderChat(served, conversation)).ids;
  }
  if (text === null) {
    const options = { param: "content", code: "missing_required_parameter" };
    throw new ApiError(400, "Cannot tokenize: content is missing", options);
  }
  refuseUnsupported(body, OF_TEXT, "prompt");
  return await tokenizeText(served, text, parsed);
}

/** A token as llama.cpp tells it: its text, or its bytes if they are none by themselves. */
function pieceOf(tokenizer: Tokenizer, id: number): { id: number; piece: string | number[] } {
  const bytes = tokenizer.tokenBytes(id);
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { id, piece: decoder.decode(bytes) };
  } catch {
    return { id, piece: [...bytes] };
  }
}

/** Makes the handler that turns text, or messages, into ids. */
export function tokenizeRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const body = await readJson(context.req);
    const request = parseBody(tokenizeSchema, body);
    checkModelName(routes, request.model ?? null);
    const served = readyModel(routes.state);
    const { tokenizer, engine } = served;
    const ids = await tokensOf(served, request, body);
    const texts = () => ({ token_strs: ids.map((id) => tokenizer.detokenize([id])) });
    return context.json({
      tokens: request.with_pieces ? ids.map((id) => pieceOf(tokenizer, id)) : ids,
      count: ids.length,
      max_model_len: engine.info.contextLength,
      ...(request.return_token_strs ? texts() : {}),
    });
  };
}

/** Makes the handler that turns ids into text. */
export function detokenizeRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const { model, tokens } = parseBody(detokenizeSchema, await readJson(context.req));
    checkModelName(routes, model ?? null);
    const { tokenizer } = readyModel(routes.state);
    checkIds(tokenizer, tokens, "tokens");
    const text = tokenizer.detokenize(tokens);
    return context.json({ content: text, prompt: text });
  };
}

/** Makes the handler that renders messages without generating. */
export function applyTemplateRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const body = await readJson(context.req);
    const request = parseBody(templateSchema, body);
    checkModelName(routes, request.model ?? null);
    refuseUnsupported(body, Object.keys(templateSchema.shape), "prompt");
    const conversation = toConversation(request, toToolUse(request));
    const { text } = await renderChat(readyModel(routes.state), conversation);
    return context.json({ prompt: text });
  };
}
