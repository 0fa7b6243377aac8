/**
 * POST /tokenize, /detokenize and /apply-template, under llama.cpp's and vLLM's names.
 *
 * @module
 */

import type { Context } from "hono";
import { z } from "zod";
import { ApiError } from "./errors.ts";
import { parseBody, readJson } from "./parse_body.ts";
import { readyModel, type RouteContext } from "./route_context.ts";
import { parseMessages } from "./schema_chat.ts";
import { checkIds } from "./specs.ts";

/** `content` and `add_special` are llama.cpp's names, `prompt` and `add_special_tokens` vLLM's. */
export const tokenizeSchema = z.object({
  content: z.string().nullish(),
  prompt: z.string().nullish(),
  add_special: z.boolean().nullish(),
  add_special_tokens: z.boolean().nullish(),
  parse_special: z.boolean().nullish(),
  messages: z.unknown().optional(),
});

/** Ids, under the name both have. */
export const detokenizeSchema = z.object({ tokens: z.array(z.number().int().min(0)) });

/** Makes the handler that turns text, or messages, into ids. */
export function tokenizeRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const body = await readJson(context.req);
    const request = parseBody(tokenizeSchema, body);
    const text = request.content ?? request.prompt ?? null;
    if (text === null && !request.messages) {
      const options = { param: "content", code: "missing_required_parameter" };
      throw new ApiError(400, "Cannot tokenize: content is missing", options);
    }
    const model = readyModel(routes.state);
    const { tokenizer, prompts } = model;
    const tokens = text === null
      ? (await prompts.render(parseMessages(body), { addGenerationPrompt: true })).ids
      : await prompts.tokenize(text, { parseSpecial: request.parse_special ?? true });
    // llama.cpp adds BOS only when asked, vLLM unless told not to.
    const wantsBos = request.add_special ?? request.add_special_tokens ??
      typeof request.content !== "string";
    if (text !== null && wantsBos && tokenizer.addBos && tokenizer.bosId !== null) {
      tokens.unshift(tokenizer.bosId);
    }
    const max_model_len = model.engine.info.contextLength;
    return context.json({ tokens, count: tokens.length, max_model_len });
  };
}

/** Makes the handler that turns ids into text. */
export function detokenizeRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const { tokens } = parseBody(detokenizeSchema, await readJson(context.req));
    const { tokenizer } = readyModel(routes.state);
    checkIds(tokenizer, tokens, "tokens");
    const text = tokenizer.detokenize(tokens);
    return context.json({ content: text, prompt: text });
  };
}

/** Makes the handler that renders messages without generating. */
export function applyTemplateRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const messages = parseMessages(await readJson(context.req));
    const { prompts } = readyModel(routes.state);
    const { text } = await prompts.render(messages, { addGenerationPrompt: true });
    return context.json({ prompt: text });
  };
}
