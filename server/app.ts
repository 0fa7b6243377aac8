/**
 * The HTTP surface as a value: routes over a {@link ServerState}, no port.
 *
 * @module
 */

import { type Handler, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { requireKey } from "./auth.ts";
import { ServerMetrics } from "./metrics.ts";
import { chatRoute } from "./openai/chat.ts";
import { completionRoute } from "./openai/completion.ts";
import { answerError, ApiError } from "./openai/errors.ts";
import { healthRoute, modelRoute, modelsRoute, propsRoute } from "./openai/models.ts";
import type { RouteContext } from "./openai/route_context.ts";
import { applyTemplateRoute, detokenizeRoute, tokenizeRoute } from "./openai/tokenize.ts";
import { addPage } from "./page/files.ts";
import type { ServerState } from "./state.ts";

/** Limits of the HTTP surface. */
export interface AppLimits {
  /** Most bytes of a request's body; more is answered with 413. Default 16 MiB. */
  bodySizeBytesMax: number;
  /** Milliseconds without a chunk after which a stream gets a comment. Default 15,000. */
  pingIntervalMs: number;
}

/** What {@link createApp} needs; only `state` and `modelId` must be given. */
export interface AppOptions {
  /** Read by every request; the app may be made while it is still loading. */
  state: ServerState;
  /** The name the model is served under. */
  modelId: string;
  /** Other names that requests may use for it. */
  aliases?: readonly string[];
  /** Bearer keys; empty leaves the server open. */
  apiKeys?: readonly string[];
  /** Origins that browsers may call from, "*" for any; empty allows none. */
  corsOrigins?: readonly string[];
  limits?: Partial<AppLimits>;
}

const LIMITS: AppLimits = { bodySizeBytesMax: 16 * 2 ** 20, pingIntervalMs: 15_000 };

interface Route {
  method: "GET" | "POST";
  path: string;
  handler: Handler;
}

function addRoutes(app: Hono, routes: readonly Route[]): void {
  for (const { method, path, handler } of routes) {
    for (const full of [path, `/v1${path}`]) {
      app.on(method, full, handler);
      app.all(full, (context) => {
        context.header("Allow", method);
        const message = `Cannot serve ${context.req.method} ${context.req.path}: use ${method}`;
        return answerError(new ApiError(405, message, { code: "method_not_allowed" }), context);
      });
    }
  }
}

/** Makes the app. Every path is there with and without `/v1`; `/health` needs no key. */
export function createApp(options: AppOptions): Hono {
  const { state, modelId, aliases = [], apiKeys = [], corsOrigins = [] } = options;
  const { bodySizeBytesMax, pingIntervalMs } = { ...LIMITS, ...options.limits };
  const metrics = new ServerMetrics(modelId);
  const createdSeconds = Math.floor(Date.now() / 1000);
  const routes: RouteContext = {
    state,
    observer: metrics,
    modelId,
    aliases,
    pingIntervalMs,
    createdSeconds,
  };
  const app = new Hono();
  app.onError(answerError);
  app.notFound((context) => {
    const message = `Cannot serve ${context.req.method} ${context.req.path}: no such path`;
    return answerError(new ApiError(404, message, { code: "not_found" }), context);
  });
  if (corsOrigins.length > 0) {
    app.use(cors({ origin: corsOrigins.includes("*") ? "*" : [...corsOrigins] }));
  }
  addRoutes(app, [{ method: "GET", path: "/health", handler: healthRoute(routes) }]);
  addPage(app);
  app.use(requireKey(apiKeys));
  app.use(bodyLimit({
    maxSize: bodySizeBytesMax,
    onError: () => {
      const message = `Cannot accept the body: it is over ${bodySizeBytesMax} bytes`;
      throw new ApiError(413, message, { code: "body_too_large" });
    },
  }));
  addRoutes(app, [
    { method: "POST", path: "/chat/completions", handler: chatRoute(routes) },
    { method: "POST", path: "/completions", handler: completionRoute(routes) },
    { method: "GET", path: "/models", handler: modelsRoute(routes) },
    { method: "GET", path: "/models/:id{.+}", handler: modelRoute(routes) },
    { method: "GET", path: "/props", handler: propsRoute(routes) },
    { method: "POST", path: "/tokenize", handler: tokenizeRoute(routes) },
    { method: "POST", path: "/detokenize", handler: detokenizeRoute(routes) },
    { method: "POST", path: "/apply-template", handler: applyTemplateRoute(routes) },
    {
      method: "GET",
      path: "/metrics",
      handler: async (context) =>
        context.body(await metrics.render(state), 200, { "Content-Type": metrics.contentType }),
    },
  ]);
  return app;
}
