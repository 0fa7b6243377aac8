/**
 * GET /metrics.
 *
 * @module
 */

import type { MetricsOfModels } from "../models/model_metrics.ts";
import type { ApiRoute } from "./route.ts";

/** All metrics in Prometheus' text format. */
export function metricsRoute(metrics: MetricsOfModels): ApiRoute {
  return {
    method: "GET",
    path: "/metrics",
    handler: async (context) => {
      const { text, contentType } = await metrics.render();
      return context.body(text, 200, { "Content-Type": contentType });
    },
    doc: { summary: "Prometheus metrics", answer: "text/plain" },
  };
}
