/**
 * POST /apply-template: a conversation as the text that the model reads.
 *
 * @module
 */

import { z } from "zod";
import { withModel } from "../models/with_model.ts";
import { renderChat } from "../openai/chat_prompt.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { commonFields } from "../openai/schema_common.ts";
import { conversationFields, toConversation } from "../openai/schema_messages.ts";
import { toToolUse } from "../openai/structured.ts";
import { refuseUnsupported } from "../openai/unsupported.ts";
import type { ApiRoute } from "./route.ts";

/** A conversation alone. */
const templateSchema = z.object({ model: commonFields.model, ...conversationFields });

/** A rendered conversation. */
const templateAnswer = z.object({ prompt: z.string() });

/** Renders messages without generating. */
export function applyTemplateRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/apply-template",
    handler: async (context) => {
      const body = await readJson(context.req);
      const request = parseBody(templateSchema, body);
      refuseUnsupported(body, Object.keys(templateSchema.shape), "prompt");
      const conversation = toConversation(request, toToolUse(request));
      return await withModel({ routes, context, name: request.model ?? null }, async (model) => {
        const { text } = await renderChat(model, conversation);
        return context.json({ prompt: text });
      });
    },
    doc: {
      summary: "Render a conversation without answering it",
      request: templateSchema,
      answer: templateAnswer,
      errors: [404],
    },
  };
}
