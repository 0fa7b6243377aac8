/**
 * GET /metrics.
 *
 * @module
 */

import type { ServerMetrics } from "../metrics.ts";
import type { RouteContext } from "../openai/route_context.ts";
import type { ApiRoute } from "./route.ts";

/** All metrics in Prometheus' text format. */
export function metricsRoute({ state }: RouteContext, metrics: ServerMetrics): ApiRoute {
  return {
    method: "GET",
    path: "/metrics",
    handler: async (context) => {
      const headers = { "Content-Type": metrics.contentType };
      return context.body(await metrics.render(state), 200, headers);
    },
    doc: { summary: "Prometheus metrics", answer: "text/plain" },
  };
}
