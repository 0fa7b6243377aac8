/** How long the server listens, and how long it keeps a connection. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/waiting.ts";
import { rawRequest } from "./raw_http.ts";
import { withServer } from "./serve_app.ts";

const SCRIPT = new URL("./serve_process.ts", import.meta.url).pathname;
const DESCRIPTOR_COUNT = 100;
const CONNECTION_COUNT = 150;
const HEALTH = rawRequest("GET", "/health", { headers: { Connection: "keep-alive" } });

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function connect(url: string): Promise<Deno.Conn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

/** Starts a scripted server that may open few files. */
async function startLimited() {
  const child = new Deno.Command("sh", {
    args: ["-c", `ulimit -n ${DESCRIPTOR_COUNT}; exec "$@"`, "sh", Deno.execPath(), "run"]
      .concat("--no-check", "-A", SCRIPT),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const url = new TextDecoder().decode((await output.read()).value).trim();
  return { url, child, output };
}

/** Files and sockets that a process has open. */
function descriptorCount(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Status of `/health` by a new connection; null if there is no answer in time. */
async function health(url: string): Promise<number | null> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    const signal = AbortSignal.timeout(5000);
    const response = await fetch(`${url}/health`, { client, signal });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
}

Deno.test("a server that ran out of file descriptors answers again once there are some", async () => {
  const { url, child, output } = await startLimited();
  const stderr = new Response(child.stderr).text();
  try {
    for (let round = 0; round < 2; round++) {
      assertEquals(await health(url), 200);
      const connections: Deno.Conn[] = [];
      for (let index = 0; index < CONNECTION_COUNT; index++) connections.push(await connect(url));
      // Elsewhere nothing says how many there are.
      if (Deno.build.os === "linux") {
        await eventually(() => descriptorCount(child.pid) >= DESCRIPTOR_COUNT - 1);
      }
      await wait(500);
      for (const connection of connections) connection.close();
      await eventually(async () => await health(url) === 200);
    }
  } finally {
    child.kill("SIGINT");
    await output.cancel();
    await child.status;
  }
  assertStringIncludes(await stderr, "stopped accepting connections");
});

Deno.test("an idle connection is kept for longer than proxies reuse it, and says so", () =>
  withServer(() => [], async ({ url }) => {
    const connection = await connect(url);
    const buffer = new Uint8Array(4096);
    for (const idleMs of [0, 6500]) {
      await wait(idleMs);
      await connection.write(new TextEncoder().encode(HEALTH));
      const count = await connection.read(buffer);
      assert(count !== null, `closed after ${idleMs} ms`);
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      assertStringIncludes(text, "HTTP/1.1 200 OK\r\n");
      assertStringIncludes(text, "Keep-Alive: timeout=75\r\n");
    }
    connection.close();
  }));

Deno.test("an idle connection ends after the time that is set", () =>
  withServer(() => [], async ({ url }) => {
    const connection = await connect(url);
    await connection.write(new TextEncoder().encode(HEALTH));
    const buffer = new Uint8Array(4096);
    await connection.read(buffer);
    const startMs = performance.now();
    assertEquals(await connection.read(buffer), null);
    const tookMs = performance.now() - startMs;
    // 75 s if nothing is set.
    assert(tookMs > 900 && tookMs < 30_000, `${tookMs} ms`);
    connection.close();
  }, { keepAliveMs: 1000 }));
