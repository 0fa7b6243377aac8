/**
 * GET /health and /livez: whether requests are answered, and whether the process works.
 *
 * @module
 */

import { z } from "zod";
import { refuseWhenStopping } from "../models/models.ts";
import type { RouteContext } from "../openai/route_context.ts";
import type { ApiRoute } from "./route.ts";

const answer = z.object({ status: z.literal("ok") });

/** Readiness: 200, or 503 with the reason. */
export function healthRoute({ state, models }: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/health",
    handler: (context) => {
      refuseWhenStopping(state);
      // Of several models none need be loaded.
      if (!models.areMany) models.loaded(models.ids[0]);
      return context.json({ status: "ok" });
    },
    doc: { summary: "Whether requests are answered (readiness)", answer },
  };
}

/** What vLLM's routers ask before they send a request: this server never sleeps. */
export function sleepRoute(): ApiRoute {
  return {
    method: "GET",
    path: "/is_sleeping",
    handler: (context) => context.json({ is_sleeping: false }),
    doc: {
      summary: "Whether the model is put aside, which it never is (as vLLM answers)",
      answer: z.object({ is_sleeping: z.literal(false) }),
    },
  };
}

/** Liveness: 503 once only a restart helps. */
export function liveRoute({ state, models }: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/livez",
    handler: (context) => {
      if (state.phase.name === "failed") models.loaded(models.ids[0]);
      return context.json({ status: "ok" });
    },
    doc: { summary: "Whether the process works, loading included (liveness)", answer },
  };
}
