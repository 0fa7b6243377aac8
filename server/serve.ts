/**
 * The app on a port: start, and an end that takes less than two seconds.
 *
 * @module
 */

import type { Hono } from "hono";
import { plainHost } from "./access.ts";
import { checkBind } from "./auth.ts";
import { Listener } from "./listener.ts";
import type { ServerState } from "./state.ts";

/** Longest wait for answers to end by themselves once their generations are aborted. */
const DRAIN_MS = 600;
/** Longest wait for the engine to give its device back. */
const RELEASE_MS = 1000;
/** Longer than proxies keep idle connections: one closed under a request is a 502 there. */
const KEEP_ALIVE_MS = 75_000;
const CHECK_INTERVAL_MS = 5000;

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
  /** How long a connection without a request is kept; 75 s if left out. */
  keepAliveMs?: number;
  /** Milliseconds between two looks whether the port accepts connections; 5 s if left out. */
  checkIntervalMs?: number;
  /** Frees what requests used; default closes the state's engine. */
  release?: () => Promise<void>;
}

/** A server that accepts connections. */
export interface RunningServer {
  /** E.g. `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Resolves when the last connection has ended. */
  readonly finished: Promise<void>;
  /** Resolves to the reason if the port cannot be listened on any more. */
  readonly failed: Promise<Error>;
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
  const { keepAliveMs = KEEP_ALIVE_MS, checkIntervalMs = CHECK_INTERVAL_MS } = options;
  const { app, port } = options;
  const listener = await Listener.open({ app, hostname, port, keepAliveMs, checkIntervalMs });
  const closed = Promise.withResolvers<void>();

  async function end(): Promise<void> {
    const release = options.release ?? releaseEngine(state);
    state.stop();
    const released = release().catch((error) => console.error("Cannot free the engine:", error));
    void listener.close().then(closed.resolve);
    await within(closed.promise, DRAIN_MS);
    listener.closeConnections();
    await within(released, RELEASE_MS);
  }

  let ending: Promise<void> | null = null;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${listener.port}`,
    finished: closed.promise,
    failed: listener.failed,
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
