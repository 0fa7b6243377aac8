/**
 * What an endpoint is: each file beside this one holds the handler, the schemas and the reference
 * entry of one. The long schemas of `responses.ts` are in `../openai/responses/`.
 *
 * @module
 */

import type { Handler } from "hono";
import type { DocumentedRoute } from "../openai/openapi.ts";

/** A route, what answers it, and its entry in the reference. */
export interface ApiRoute extends DocumentedRoute {
  handler: Handler;
}

/** Statuses of failures of requests that generate. */
export const GENERATION_ERRORS = [404, 429, 504];
