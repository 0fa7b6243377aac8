/**
 * POST /detokenize: the text of token ids.
 *
 * @module
 */

import { z } from "zod";
import { withModel } from "../models/with_model.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { commonFields } from "../openai/schema_common.ts";
import { checkIds } from "../openai/specs.ts";
import { notSupported } from "../openai/unsupported.ts";
import type { ApiRoute } from "./route.ts";

/** Ids, under the name both llama.cpp and vLLM have. */
const detokenizeSchema = z.object({
  model: commonFields.model,
  tokens: z.array(z.number().int().min(0)),
});

/** The text of ids, under llama.cpp's and vLLM's names. */
const detokenizeAnswer = z.object({ content: z.string(), prompt: z.string() });

const NO_TEXTS = "the model file has no tokenizer, so that its tokens have no text";

/** Turns ids into text. */
export function detokenizeRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/detokenize",
    handler: async (context) => {
      const { model, tokens } = parseBody(detokenizeSchema, await readJson(context.req));
      // deno-lint-ignore require-await
      return await withModel({ routes, context, name: model ?? null }, async ({ tokenizer }) => {
        if (!tokenizer.hasTexts) throw notSupported("tokens", NO_TEXTS);
        checkIds(tokenizer, tokens, "tokens");
        const text = tokenizer.textOf(tokens);
        return context.json({ content: text, prompt: text });
      });
    },
    doc: {
      summary: "Text of ids",
      request: detokenizeSchema,
      answer: detokenizeAnswer,
      errors: [404],
    },
  };
}
