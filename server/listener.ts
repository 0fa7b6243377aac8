/**
 * A port that goes on accepting connections. Deno's `node:http` stops for good, without an event,
 * when a connection cannot be accepted, as when no file descriptor is left for it: the process
 * lives and no client is answered. So the port is probed regularly, and opened again.
 *
 * @module
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { ApiError, toErrorAnswer } from "./openai/errors.ts";

/** Longest wait for a connection to one's own port to be accepted. */
const ACCEPT_MS_MAX = 2000;
const ACCEPT_GRACE_MS = 500;
/** How often reopening the port may fail in a row. */
const ATTEMPT_COUNT_MAX = 10;

/** What {@link Listener.open} needs. */
export interface ListenOptions {
  app: Hono;
  /** Address to bind, without brackets. */
  hostname: string;
  /** 0 takes any free port. */
  port: number;
  /** How long a connection without a request is kept. */
  keepAliveMs: number;
  /** Milliseconds between two looks at the port. */
  checkIntervalMs: number;
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
function listen({ app, hostname, port, keepAliveMs }: ListenOptions): Promise<Server> {
  const server = createServer(getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: "localhost", // for requests of HTTP/1.0, which may give none
    errorHandler: refuseRequest,
  }));
  server.keepAliveTimeout = keepAliveMs;
  // Of a request that comes on a kept connection too: longer than the wait for it.
  server.headersTimeout = keepAliveMs + 60_000;
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once("error", (cause: NodeJS.ErrnoException) => {
    const state = cause.code === "EADDRINUSE" ? "another program listens there" : cause.message;
    reject(new Error(`Cannot listen on ${hostname}:${port}: ${state}`, { cause }));
  });
  server.listen(port, hostname, () => resolve(server));
  return promise;
}

const ANY_ADDRESSES: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** Whether a connection to the server's own port is accepted; null if none can be made. */
async function accepts(server: Server): Promise<boolean | null> {
  const { address, port } = server.address() as AddressInfo;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const accepted = new Set<number | undefined>();
  let ownPort: number | null = null;
  const note = (socket: Socket) => {
    accepted.add(socket.remotePort);
    if (ownPort !== null && accepted.has(ownPort)) resolve(true);
  };
  server.on("connection", note);
  // Once more: after a long turn of other work a timer may be due before the connection is seen.
  let timer = setTimeout(() => {
    timer = setTimeout(() => resolve(false), ACCEPT_GRACE_MS);
  }, ACCEPT_MS_MAX);
  try {
    const connection = await Deno.connect({ hostname: ANY_ADDRESSES[address] ?? address, port });
    try {
      ownPort = (connection.localAddr as Deno.NetAddr).port;
      return accepted.has(ownPort) || await promise;
    } finally {
      connection.close();
    }
  } catch {
    return null; // no descriptor is left: its end is what to wait for
  } finally {
    clearTimeout(timer);
    server.off("connection", note);
  }
}

/** Listens on one port until closed, on several servers one after the other if need be. */
export class Listener {
  readonly #options: ListenOptions;
  /** Resolves to what ended it, if anything but {@link close} did. */
  readonly failed: Promise<Error>;
  readonly #fail: (error: Error) => void;
  #server: Server;
  /** Servers that accept no more and still have connections. */
  readonly #retired = new Map<Server, Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  private constructor(options: ListenOptions, server: Server) {
    this.#options = { ...options, port: (server.address() as AddressInfo).port };
    this.#server = server;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.#fail = resolve;
    this.#schedule();
  }

  /**
   * Begins to listen.
   *
   * @throws {Error} If the address cannot be bound.
   */
  static async open(options: ListenOptions): Promise<Listener> {
    return new Listener(options, await listen(options));
  }

  /** The port in use. */
  get port(): number {
    return this.#options.port;
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#check(), this.#options.checkIntervalMs);
    Deno.unrefTimer(this.#timer);
  }

  async #check(): Promise<void> {
    const isAccepting = await accepts(this.#server);
    if (isAccepting === false && !this.#isClosed) await this.#renew();
    this.#schedule();
  }

  /** Opens the port again; existing connections continue. */
  async #renew(): Promise<void> {
    console.error(
      "packkv: the port stopped accepting connections, most likely as no file descriptors were " +
        "left; listening anew (see LimitNOFILE in server/docs/operations.md)",
    );
    this.#retire(this.#server);
    for (let attempt = 1; !this.#isClosed; attempt++) {
      try {
        this.#server = await listen(this.#options);
        if (this.#isClosed) this.#retire(this.#server);
        return;
      } catch (error) {
        if (attempt === ATTEMPT_COUNT_MAX) return this.#fail(error as Error);
        await new Promise((resolve) => setTimeout(resolve, this.#options.checkIntervalMs));
      }
    }
  }

  #retire(server: Server): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#retired.set(server, promise);
    server.close(() => {
      this.#retired.delete(server);
      resolve();
    });
    server.closeIdleConnections();
  }

  /** Accepts no more. Resolves when the last connection has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#retire(this.#server);
    await Promise.all(this.#retired.values());
  }

  /** Ends all connections, after {@link close}. */
  closeConnections(): void {
    for (const server of this.#retired.keys()) server.closeAllConnections();
  }
}
