/**
 * The app on a port: start, and an end that takes less than two seconds.
 *
 * @module
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { plainHost } from "./access.ts";
import { checkBind } from "./auth.ts";
import { ApiError, toErrorAnswer } from "./openai/errors.ts";
import type { ServerState } from "./state.ts";

/** Longest wait for answers to end by themselves once their generations are aborted. */
const DRAIN_MS = 600;
/** Longest wait for the engine to give its device back. */
const RELEASE_MS = 1000;

/** What {@link startServer} needs. */
export interface ServeOptions {
  app: Hono;
  state: ServerState;
  /** Address to bind, e.g. `127.0.0.1`; brackets around one of IPv6 may be left out. */
  hostname: string;
  /** 0 takes any free port. */
  port: number;
  /** How many keys the app was made with. */
  keyCount: number;
  /** Allows an address that others can reach without a key. Default false. */
  insecure?: boolean;
  /** Frees what requests used; default closes the state's engine. */
  release?: () => Promise<void>;
}

/** A server that accepts connections. */
export interface RunningServer {
  /** E.g. `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Resolves when the last connection has ended. */
  readonly finished: Promise<void>;
  /**
   * Accepts no more, ends requests in flight, frees the engine. Resolves within two seconds, also
   * if a connection or the engine does not end by then. Idempotent.
   */
  stop(): Promise<void>;
  /**
   * Refuses new requests and lets those in flight end by themselves, `limitMs` at most; then
   * {@link stop}.
   */
  drain(limitMs: number): Promise<void>;
}

function within(promise: Promise<void>, limitMs: number): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

function releaseEngine(state: ServerState): () => Promise<void> {
  const { phase } = state;
  return phase.name === "ready" ? () => phase.model.engine.close() : () => Promise.resolve();
}

/** Answers a request whose target or host is no address. */
function refuseRequest(error: unknown): Response {
  const state = error instanceof Error ? error.message : String(error);
  const refusal = new ApiError(400, `Cannot read the request: ${state}`, { code: "invalid_url" });
  const { status, body } = toErrorAnswer(refusal);
  return Response.json(body, { status });
}

/**
 * Not `Deno.serve`: it does not notice that a client is gone once a body of more than some hundred
 * bytes was read (`src/decisions/14_node_http.md`).
 */
function listen({ app, hostname, port }: ServeOptions): Promise<Server> {
  const server = createServer(getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: "localhost", // for requests of HTTP/1.0, which may give none
    errorHandler: refuseRequest,
  }));
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once("error", (cause: NodeJS.ErrnoException) => {
    const state = cause.code === "EADDRINUSE" ? "another program listens there" : cause.message;
    reject(new Error(`Cannot listen on ${hostname}:${port}: ${state}`, { cause }));
  });
  server.listen(port, hostname, () => resolve(server));
  return promise;
}

/**
 * Starts accepting connections.
 *
 * @throws {TypeError} If others could reach the server without a key and `insecure` is not set.
 * @throws {Error} If the address cannot be bound.
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { state, keyCount, insecure = false } = options;
  const hostname = plainHost(options.hostname);
  checkBind(hostname, { keyCount, insecure });
  const server = await listen({ ...options, hostname });
  const { port } = server.address() as AddressInfo;
  const closed = Promise.withResolvers<void>();

  async function end(): Promise<void> {
    const release = options.release ?? releaseEngine(state);
    state.stop();
    const released = release().catch((error) => console.error("Cannot free the engine:", error));
    server.close(() => closed.resolve());
    server.closeIdleConnections();
    await within(closed.promise, DRAIN_MS);
    server.closeAllConnections();
    await within(released, RELEASE_MS);
  }

  let ending: Promise<void> | null = null;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${port}`,
    finished: closed.promise,
    stop: () => ending ??= end(),
    async drain(limitMs) {
      await state.drain(limitMs);
      await (ending ??= end());
    },
  };
}

/**
 * Ends the process with 0 on a signal: SIGINT ends requests in flight, SIGTERM lets them end by
 * themselves for a while. SIGINT after SIGTERM hurries; a signal beside that exits at once with
 * 130.
 *
 * @param drainLimitMs Longest wait after SIGTERM; 0 does as SIGINT.
 */
export function exitOnSignals(
  server: Pick<RunningServer, "stop" | "drain">,
  drainLimitMs: number,
): void {
  let endedBy: Deno.Signal | null = null;
  const end = (signal: Deno.Signal) => {
    const isHurried = endedBy === "SIGTERM" && signal === "SIGINT";
    if (endedBy !== null && !isHurried) Deno.exit(130);
    endedBy = signal;
    const ended = signal === "SIGTERM" ? server.drain(drainLimitMs) : server.stop();
    ended.then(() => Deno.exit(0), (error) => {
      console.error("Cannot stop cleanly:", error);
      Deno.exit(1);
    });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => end(signal));
  }
}
