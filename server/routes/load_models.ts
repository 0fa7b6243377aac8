/**
 * POST /v1/models/load and /v1/models/unload: one of several models, before a request needs it or
 * when none will.
 *
 * @module
 */

import type { Context } from "hono";
import { z } from "zod";
import { withModel } from "../models/with_model.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { modelAnswer, modelBody } from "./models.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

const bodySchema = z.object({ model: z.string().nullish() });

/** What became of it. */
const answer = z.object({ success: z.literal(true), model: modelAnswer });

async function readName(context: Context): Promise<string | null> {
  return parseBody(bodySchema, await readJson(context.req)).model ?? null;
}

async function outcome(routes: RouteContext, context: Context, id: string): Promise<Response> {
  const listing = (await routes.models.list()).find((each) => each.id === id)!;
  return context.json({ success: true, model: modelBody(routes, listing) });
}

/** Loads a model and answers when it is loaded. */
export function loadRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/models/load",
    handler: async (context) => {
      const name = await readName(context);
      const id = routes.models.find(name);
      if (!routes.models.areMany) await routes.models.unload(id); // refuses
      return await withModel({ routes, context, name }, () => outcome(routes, context, id));
    },
    doc: {
      summary: "Load one of several models",
      request: bodySchema,
      answer,
      errors: GENERATION_ERRORS,
    },
  };
}

/** Unloads a model once the requests that use it are over, and answers then. */
export function unloadRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/models/unload",
    handler: async (context) => {
      const id = routes.models.find(await readName(context));
      await routes.models.unload(id);
      return await outcome(routes, context, id);
    },
    doc: { summary: "Unload one of several models", request: bodySchema, answer, errors: [404] },
  };
}
