/**
 * The HTTP surface as a value: routes over a {@link ServerState}, no port.
 *
 * @module
 */

import { type Handler, Hono } from "hono";
import { cors } from "hono/cors";
import { getPath } from "hono/utils/url";
import { checkAccess } from "./access.ts";
import { answerFailure } from "./anthropic/errors.ts";
import { requireKey } from "./auth.ts";
import { readBody } from "./body.ts";
import { MetricsOfModels } from "./models/model_metrics.ts";
import { type Models, OneModel } from "./models/models.ts";
import { addDocsPage } from "./openai/docs_page.ts";
import { ApiError } from "./openai/errors.ts";
import { openApiRoute } from "./openai/openapi.ts";
import type { RouteContext } from "./openai/route_context.ts";
import { addPage } from "./page/files.ts";
import { apiRoutes } from "./routes.ts";
import type { ApiRoute } from "./routes/route.ts";
import { nameRequests } from "./request_id.ts";
import { type LogFormat, requestLog } from "./request_log.ts";
import { requestTrace } from "./request_trace.ts";
import { REPLAY_HEADER } from "./replay/report_header.ts";
import { WARNING_HEADER } from "./warnings.ts";
import { watchRequests } from "./request_watch.ts";
import type { ServerState } from "./state.ts";

/** Limits of the HTTP surface. */
export interface AppLimits {
  /** Most bytes of a request's body; more is answered with 413. Default 16 MiB. */
  bodySizeBytesMax: number;
  /** Milliseconds without a chunk after which a stream gets a comment. Default 15,000. */
  pingIntervalMs: number;
}

/** Which models an app serves: the one that its state holds, or several. */
export type AppModels =
  | {
    /** The name the model is served under. */
    modelId: string;
    /** Other names that requests may use for it. */
    aliases?: readonly string[];
  }
  | { models: Models };

/** What {@link createApp} needs; only `state` and the models must be given. */
export type AppOptions = AppModels & {
  /** Read by every request; the app may be made while it is still loading. */
  state: ServerState;
  /** Bearer keys; empty leaves the server open. */
  apiKeys?: readonly string[];
  /** Names that a server without keys is called by, "*" for any; addresses always are. */
  hostNames?: readonly string[];
  /** Origins that browsers may call from, "*" for any; empty allows none. */
  corsOrigins?: readonly string[];
  /** Folder of saved sequences; without one saving and restoring is refused. */
  slotFolder?: string | null;
  limits?: Partial<AppLimits>;
  /** Form of the line that each request leaves on stderr; default `off`. */
  log?: LogFormat;
};

const LIMITS: AppLimits = { bodySizeBytesMax: 16 * 2 ** 20, pingIntervalMs: 15_000 };

type Method = ApiRoute["method"];

/** Answers methods that a path does not have. */
function otherMethods(methods: readonly Method[]): Handler {
  const allowed = methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
  const allow = [...allowed, "OPTIONS"].join(", ");
  return (context) => {
    context.header("Allow", allow);
    if (context.req.method === "OPTIONS") return context.body(null, 204);
    if (context.req.header("Upgrade")?.toLowerCase() === "websocket") {
      // Codex goes on over HTTP at once; any other status it tries again and again.
      const message = `Cannot speak WebSocket at ${context.req.path}: send a POST with stream true`;
      return answerFailure(new ApiError(426, message, { code: "upgrade_not_supported" }), context);
    }
    const message = `Cannot serve ${context.req.method} ${context.req.path}: use ${
      methods.join(" or ")
    }`;
    return answerFailure(new ApiError(405, message, { code: "method_not_allowed" }), context);
  };
}

function addRoutes(
  app: Hono,
  routes: readonly Pick<ApiRoute, "method" | "path" | "handler">[],
  bodySizeBytesMax: number,
): void {
  const body = readBody(bodySizeBytesMax);
  const methodsByPath = Map.groupBy(routes, ({ path }) => path);
  for (const { method, path, handler } of routes) {
    for (const full of [path, `/v1${path}`]) {
      if (method === "POST") app.post(full, body, handler);
      else if (method === "DELETE") app.delete(full, handler);
      else app.get(full, handler);
    }
  }
  for (const [path, own] of methodsByPath) {
    const methods = own.map(({ method }) => method);
    for (const full of [path, `/v1${path}`]) app.all(full, otherMethods(methods));
  }
}

/** A path without doubled and trailing slashes. */
function plainPath(path: string): string {
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}

/** Paths that a supervisor asks, without a key. */
const HEALTH_PATHS = ["/health", "/livez", "/is_sleeping"];
/** Paths of what browsers show. */
const PAGE_PATHS = ["/", "/page/:name", "/docs", "/docs/:name", "/guide", "/guide/:name"];

/** Makes the app. Every path is there with and without `/v1`. */
export function createApp(options: AppOptions): Hono {
  const { state, apiKeys = [], slotFolder = null } = options;
  const { hostNames = [], corsOrigins = [] } = options;
  const { bodySizeBytesMax, pingIntervalMs } = { ...LIMITS, ...options.limits };
  const models = "models" in options
    ? options.models
    : new OneModel(state, options.modelId, options.aliases);
  const metrics = new MetricsOfModels(models);
  models.onUnloading = (model) => metrics.readLast(model);
  const createdSeconds = Math.floor(Date.now() / 1000);
  const routes: RouteContext = {
    state,
    models,
    pingIntervalMs,
    bodySizeBytesMax,
    createdSeconds,
  };
  const documented = apiRoutes(routes, { metrics, slotFolder });
  const app = new Hono({ getPath: (request) => plainPath(getPath(request)) });
  app.onError(answerFailure);
  app.notFound((context) => {
    const message = `Cannot serve ${context.req.method} ${context.req.path}: no such path`;
    return answerFailure(new ApiError(404, message, { code: "not_found" }), context);
  });
  app.use(nameRequests());
  if (apiKeys.length === 0) app.use(checkAccess({ hostNames, corsOrigins }));
  if (corsOrigins.length > 0) {
    const origin = corsOrigins.includes("*") ? "*" : [...corsOrigins];
    app.use(
      cors({
        origin,
        exposeHeaders: ["X-Request-Id", "Retry-After", WARNING_HEADER, REPLAY_HEADER],
      }),
    );
  }
  const openapi = {
    method: "GET",
    path: "/openapi.json",
    handler: openApiRoute(documented),
  } as const;
  const open = documented.filter(({ path }) => HEALTH_PATHS.includes(path));
  addRoutes(app, [...open, openapi], bodySizeBytesMax);
  addPage(app);
  addDocsPage(app);
  for (const path of PAGE_PATHS) app.all(path, otherMethods(["GET"]));
  const { log = "off" } = options;
  app.use(watchRequests({
    observerOf: (id) => metrics.of(id),
    listeners: [requestLog(log), requestTrace()],
    modelId: models.areMany ? null : models.ids[0],
  }));
  app.use(requireKey(apiKeys));
  addRoutes(app, documented, bodySizeBytesMax);
  return app;
}
