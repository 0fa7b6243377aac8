/**
 * POST /tokenize: token ids of a text or of messages, under llama.cpp's and vLLM's names.
 *
 * @module
 */

import { z } from "zod";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { withModel } from "../models/with_model.ts";
import { agreed } from "../openai/agreed.ts";
import { renderChat } from "../openai/chat_prompt.ts";
import { ApiError } from "../openai/errors.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import { commonFields } from "../openai/schema_common.ts";
import { conversationFields, toConversation } from "../openai/schema_messages.ts";
import { toToolUse } from "../openai/structured.ts";
import { refuseUnsupported } from "../openai/unsupported.ts";
import type { ServedModel } from "../state.ts";
import type { ApiRoute } from "./route.ts";

/** Fields that choose what the answer says of the tokens, for every kind of input. */
const answerFields = {
  model: commonFields.model,
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
const tokenizeSchema = z.object({
  ...answerFields,
  ...textFields,
  ...conversationFields,
  messages: conversationFields.messages.nullish(),
});

/** Ids of a text. */
const tokenizeAnswer = z.object({
  tokens: z.array(z.union([
    count,
    z.object({ id: count, piece: z.union([z.string(), z.array(count)]) }),
  ])),
  count,
  max_model_len: count,
  token_strs: z.array(z.string()).optional(),
});

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
  // llama.cpp adds BOS only when asked, vLLM unless asked not to.
  const wantsBos = agreed({ add_special, add_special_tokens }) ?? typeof content !== "string";
  return wantsBos ? withBos(tokenizer, tokens) : tokens;
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

/** A token as llama.cpp writes it: its text, or its bytes if they are no text by themselves. */
function pieceOf(tokenizer: Tokenizer, id: number): { id: number; piece: string | number[] } {
  const bytes = tokenizer.tokenBytes(id);
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { id, piece: decoder.decode(bytes) };
  } catch {
    return { id, piece: [...bytes] };
  }
}

/** Turns text, or messages, into ids. */
export function tokenizeRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/tokenize",
    handler: async (context) => {
      const body = await readJson(context.req);
      const request = parseBody(tokenizeSchema, body);
      return await withModel({ routes, context, name: request.model ?? null }, async (served) => {
        const { tokenizer, engine } = served;
        const ids = await tokensOf(served, request, body);
        const texts = () => ({ token_strs: ids.map((id) => tokenizer.detokenize([id])) });
        return context.json({
          tokens: request.with_pieces ? ids.map((id) => pieceOf(tokenizer, id)) : ids,
          count: ids.length,
          max_model_len: engine.info.contextLength,
          ...(request.return_token_strs ? texts() : {}),
        });
      });
    },
    doc: {
      summary: "Token ids of a text",
      request: tokenizeSchema,
      answer: tokenizeAnswer,
      errors: [404],
    },
  };
}
