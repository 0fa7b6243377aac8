/**
 * The HTTP surface as a value: routes over a {@link ServerState}, no port.
 *
 * @module
 */

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { requireKey } from "./auth.ts";
import { ServerMetrics } from "./metrics.ts";
import { addDocsPage } from "./openai/docs_page.ts";
import { answerError, ApiError } from "./openai/errors.ts";
import { openApiRoute } from "./openai/openapi.ts";
import type { RouteContext } from "./openai/route_context.ts";
import { addPage } from "./page/files.ts";
import { type ApiRoute, apiRoutes } from "./routes.ts";
import { type LogFormat, requestLog } from "./request_log.ts";
import { requestTrace } from "./request_trace.ts";
import { watchRequests } from "./request_watch.ts";
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
  /** Folder of saved sequences; without one saving and restoring is refused. */
  slotFolder?: string | null;
  limits?: Partial<AppLimits>;
  /** Form of the line that each request leaves on stderr; default `off`. */
  log?: LogFormat;
}

const LIMITS: AppLimits = { bodySizeBytesMax: 16 * 2 ** 20, pingIntervalMs: 15_000 };

function addRoutes(
  app: Hono,
  routes: readonly Pick<ApiRoute, "method" | "path" | "handler">[],
): void {
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

/** Paths that a supervisor asks, without a key. */
const HEALTH_PATHS = ["/health", "/livez"];

/** Makes the app. Every path is there with and without `/v1`. */
export function createApp(options: AppOptions): Hono {
  const { state, modelId, aliases = [], apiKeys = [], corsOrigins = [], slotFolder = null } =
    options;
  const { bodySizeBytesMax, pingIntervalMs } = { ...LIMITS, ...options.limits };
  const metrics = new ServerMetrics(modelId);
  const createdSeconds = Math.floor(Date.now() / 1000);
  const routes: RouteContext = {
    state,
    modelId,
    aliases,
    pingIntervalMs,
    bodySizeBytesMax,
    createdSeconds,
  };
  const documented = apiRoutes(routes, { metrics, slotFolder });
  const app = new Hono();
  app.onError(answerError);
  app.notFound((context) => {
    const message = `Cannot serve ${context.req.method} ${context.req.path}: no such path`;
    return answerError(new ApiError(404, message, { code: "not_found" }), context);
  });
  if (corsOrigins.length > 0) {
    app.use(cors({ origin: corsOrigins.includes("*") ? "*" : [...corsOrigins] }));
  }
  addRoutes(app, documented.filter(({ path }) => HEALTH_PATHS.includes(path)));
  addPage(app);
  addDocsPage(app);
  const openapi = openApiRoute(documented);
  addRoutes(app, [{ method: "GET", path: "/openapi.json", handler: openapi }]);
  const { log = "off" } = options;
  app.use(watchRequests(metrics, [requestLog(log, modelId), requestTrace(modelId)]));
  app.use(requireKey(apiKeys));
  app.use(bodyLimit({
    maxSize: bodySizeBytesMax,
    onError: () => {
      const message = `Cannot accept the body: it is over ${bodySizeBytesMax} bytes`;
      throw new ApiError(413, message, { code: "body_too_large" });
    },
  }));
  addRoutes(app, documented);
  return app;
}
