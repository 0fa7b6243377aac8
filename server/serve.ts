/**
 * The app on a port: start, and an end that takes less than two seconds.
 *
 * @module
 */

import type { Hono } from "hono";
import { checkBind } from "./auth.ts";
import type { ServerState } from "./state.ts";

/** Longest wait for answers to end by themselves once their generations are aborted. */
const DRAIN_MS = 600;
/** Longest wait for the engine to give its device back. */
const RELEASE_MS = 1000;

/** What {@link startServer} needs. */
export interface ServeOptions {
  app: Hono;
  state: ServerState;
  /** Address to bind, e.g. `127.0.0.1`. */
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

function listen(options: ServeOptions): Deno.HttpServer<Deno.NetAddr> {
  const { app, hostname, port } = options;
  try {
    const settings = { hostname, port, onListen: () => {} };
    return Deno.serve(settings, (request, info) => app.fetch(request, info));
  } catch (cause) {
    const state = cause instanceof Deno.errors.AddrInUse
      ? "another program listens there"
      : String(cause instanceof Error ? cause.message : cause);
    throw new Error(`Cannot listen on ${hostname}:${port}: ${state}`, { cause });
  }
}

/**
 * Starts accepting connections.
 *
 * @throws {TypeError} If others could reach the server without a key and `insecure` is not set.
 * @throws {Error} If the address cannot be bound.
 */
export function startServer(options: ServeOptions): RunningServer {
  const { state, hostname, keyCount, insecure = false } = options;
  checkBind(hostname, { keyCount, insecure });
  const server = listen(options);

  async function end(): Promise<void> {
    const release = options.release ?? releaseEngine(state);
    state.stop();
    const released = release().catch((error) => console.error("Cannot free the engine:", error));
    await within(server.shutdown(), DRAIN_MS);
    await within(released, RELEASE_MS);
  }

  let ending: Promise<void> | null = null;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${server.addr.port}`,
    finished: server.finished,
    stop: () => ending ??= end(),
  };
}

/**
 * Ends the process on SIGINT or SIGTERM: the first one stops the server and exits with 0, a second
 * one exits at once with 130.
 *
 * @param stop What to do at the first signal.
 */
export function exitOnSignals(stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) Deno.exit(130);
    isStopping = true;
    stop().then(() => Deno.exit(0), (error) => {
      console.error("Cannot stop cleanly:", error);
      Deno.exit(1);
    });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, onSignal);
}
