/** A proxy in front of a server that delays its answers, slows them down, or holds them up. */

/** What happens to bytes; may be changed at any time. */
export interface ProxyBehaviour {
  /** How late an answer comes. */
  delayMs: number;
  /** Bytes of answers a second. */
  bytesPerSecond: number;
  /** Called with what a client sends, before it is passed on. */
  onRequest: (text: string) => Promise<void> | void;
}

/** A proxy that runs. */
export interface TcpProxy {
  readonly port: number;
  behaviour: ProxyBehaviour;
}

/** Runs `body` with a proxy in front of `port` of this machine. */
export async function withTcpProxy(
  port: number,
  body: (proxy: TcpProxy) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const behaviour: ProxyBehaviour = { delayMs: 0, bytesPerSecond: Infinity, onRequest: () => {} };
  const proxy = { port: (listener.addr as Deno.NetAddr).port, behaviour };
  const connections = new Set<Deno.TcpConn>();
  const close = (connection: Deno.TcpConn) => {
    if (connections.delete(connection)) connection.close();
  };
  const pass = async (from: Deno.TcpConn, to: Deno.TcpConn, change: Change) => {
    const chunks: Promise<void>[] = [];
    let last: Promise<void> = Promise.resolve();
    try {
      for (;;) {
        const bytes = new Uint8Array(65_536);
        const count = await from.read(bytes);
        if (count === null) break;
        // Delays overlap, as they do on a long line; the order stays.
        const ready = Promise.resolve(change(bytes.subarray(0, count)));
        last = Promise.all([last, ready]).then(() => writeAll(to, bytes.subarray(0, count)));
        last.catch(() => {});
        chunks.push(last);
        if (proxy.behaviour.bytesPerSecond !== Infinity) await last;
      }
      await Promise.all(chunks);
    } catch {
      // One of the two is gone.
    }
    close(from);
    close(to);
  };
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
      if (server === null) {
        client.close();
        continue;
      }
      connections.add(client).add(server);
      void pass(client, server, (bytes) => proxy.behaviour.onRequest(decode(bytes)));
      void pass(server, client, async (bytes) => {
        const { delayMs, bytesPerSecond } = proxy.behaviour;
        const waitMs = delayMs + 1000 * bytes.length / bytesPerSecond;
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      });
    }
  };
  const accepting = accept();
  try {
    await body(proxy);
  } finally {
    listener.close();
    await accepting.catch(() => {});
    for (const connection of [...connections]) close(connection);
  }
}

type Change = (bytes: Uint8Array) => Promise<void> | void;

const decode = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await to.write(bytes.subarray(written));
  }
}
