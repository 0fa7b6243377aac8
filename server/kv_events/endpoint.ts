/**
 * Addresses as ZeroMQ writes them, and connections there.
 *
 * @module
 */

/** An address of TCP. */
export interface Endpoint {
  /** What listens there; else it is connected to. */
  isBound: boolean;
  hostname: string;
  port: number;
}

/**
 * Reads an address such as `tcp://*:5557`, which is bound, or `tcp://router:5557`, which is
 * connected to.
 *
 * @throws {RangeError} If it is of another form; ZeroMQ's other transports are not spoken.
 */
export function parseEndpoint(text: string): Endpoint {
  const [, host, digits] = /^tcp:\/\/(\*|\[[0-9a-f:.]+\]|[^:/\s]+):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new RangeError(`${text} is no address: wanted tcp://*:PORT or tcp://HOST:PORT`);
  }
  const isAny = host === "*";
  const hostname = isAny ? "0.0.0.0" : host.replace(/^\[|\]$/g, "");
  return { isBound: isAny || hostname.includes("::"), hostname, port };
}

/**
 * Calls `serve` with each connection that comes, until `signal` aborts.
 *
 * @throws {Error} If the address cannot be bound.
 */
export function listenAt(
  { hostname, port }: Endpoint,
  signal: AbortSignal,
  serve: (connection: Deno.Conn) => Promise<void>,
): void {
  const listener = Deno.listen({ hostname, port });
  signal.addEventListener("abort", () => listener.close(), { once: true });
  void ignoreEnd((async () => {
    for await (const connection of listener) void ignoreEnd(serve(connection));
  })());
}

/** How long to wait before connecting again, in milliseconds. */
const RETRY_MS = 1000;

/** Keeps a connection, made again whenever it ends, until `signal` aborts. */
export async function connectTo(
  { hostname, port }: Endpoint,
  signal: AbortSignal,
  serve: (connection: Deno.Conn) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await ignoreEnd((async () => await serve(await Deno.connect({ hostname, port })))());
    const pause = Promise.withResolvers<void>();
    const timer = setTimeout(pause.resolve, RETRY_MS);
    signal.addEventListener("abort", () => pause.resolve(), { once: true });
    await pause.promise;
    clearTimeout(timer);
  }
}

/** A peer that goes, or speaks otherwise, is no reason to stop. */
async function ignoreEnd(work: Promise<void>): Promise<void> {
  await work.catch(() => {});
}
