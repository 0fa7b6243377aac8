/**
 * Clients that go away, over connections written byte by byte: what they have sent by then, and
 * whether it was their first request, must not matter.
 */

import { assert, assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { startServer } from "../../server/serve.ts";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { idleStats } from "../support/tiny_engine.ts";
import { eventually, GIVE_UP_MS } from "../support/waiting.ts";
import { harness } from "./harness.ts";
import { withTinyServer } from "./socket_servers.ts";

const BODY_SIZES = [50, 5_000, 100_000];

/** A completion request of `sizeBytes`. */
function bodyOf(sizeBytes: number, fields: object): string {
  const body = { ...fields, prompt: [1], user: "" };
  const paddingCount = Math.max(0, sizeBytes - JSON.stringify(body).length);
  return JSON.stringify({ ...body, user: "a".repeat(paddingCount) });
}

/** One connection. */
class RawClient {
  readonly #connection: Deno.Conn;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(url: string): Promise<RawClient> {
    const port = Number(new URL(url).port);
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async post(body: string): Promise<void> {
    const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n" +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const bytes = new TextEncoder().encode(head + body);
    for (let offset = 0; offset < bytes.length;) {
      offset += await this.#connection.write(bytes.subarray(offset));
    }
  }

  /** Reads until the answer holds `text`. */
  async readUntil(text: string): Promise<void> {
    const bytes = new Uint8Array(65_536);
    for (let seen = ""; !seen.includes(text);) {
      const count = await this.#connection.read(bytes);
      assert(count !== null, `the connection ended before ${text}`);
      seen += new TextDecoder().decode(bytes.subarray(0, count));
    }
  }

  close(): void {
    this.#connection.close();
  }
}

const CASES = BODY_SIZES.flatMap((sizeBytes) =>
  [false, true].flatMap((stream) =>
    [true, false].flatMap((isFirst) =>
      [false, true].map((hasToken) => ({ sizeBytes, stream, isFirst, hasToken }))
    )
  )
);

Deno.test("a client that goes ends its sequence at once", async (t) => {
  let script: FakeScript = () => [];
  // It takes no ping to notice: none is sent.
  const quiet = { limits: { pingIntervalMs: 10 * GIVE_UP_MS } };
  const { app, state, engine } = harness((request, index) => script(request, index), {
    app: quiet,
  });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  for (const { sizeBytes, stream, isFirst, hasToken } of CASES) {
    const order = isFirst ? "the first request" : "a later request";
    const phase = hasToken ? "in decode" : "before the first token";
    const kind = stream ? "streamed" : "whole";
    await t.step(`${sizeBytes} bytes, ${kind}, ${order}, ${phase}`, async () => {
      const client = await RawClient.connect(server.url);
      if (!isFirst) {
        script = () => tokensOf("x");
        await client.post(bodyOf(sizeBytes, {}));
        await client.readUntil("usage");
      }
      const abortedCount = engine.abortedCount;
      script = () => hasToken ? [97, "hang"] : ["hang"];
      await client.post(bodyOf(sizeBytes, { stream }));
      if (stream && hasToken) await client.readUntil(`"a"`);
      else await eventually(() => engine.activeCount === 1);
      client.close();
      await eventually(() => engine.abortedCount === abortedCount + 1);
      assertEquals([engine.activeCount, state.inFlightCount], [0, 0]);
    });
  }
  await server.stop();
});

Deno.test("a client that goes in the middle of its body starts nothing", async () => {
  const { app, state, engine } = harness(() => ["hang"]);
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: +new URL(server.url).port });
  const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{";
  await connection.write(new TextEncoder().encode(head));
  await new Promise((resolve) => setTimeout(resolve, 50));
  connection.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals([engine.requests.length, state.inFlightCount], [0, 0]);
  assertStringIncludes(await (await fetch(`${server.url}/health`)).text(), "ok");
  await server.stop();
});

/** So long that on no machine it is read to its end before its client goes. */
const LONG = { prompt: "a".repeat(15_000), max_tokens: 1000, ignore_eos: true };
const OPTIONS = {
  model: { contextLength: 16_384 },
  sequenceCountMax: 1,
  stepTokenCountMax: 16,
};

Deno.test("a client that goes in prefill or in the queue frees the engine at once", () =>
  withTinyServer(OPTIONS, async ({ url, engine, requests }) => {
    for (const stream of [false, true]) {
      const body = JSON.stringify({ ...LONG, stream });
      const [running, waiting] = [await RawClient.connect(url), await RawClient.connect(url)];
      await running.post(body);
      await eventually(async () => (await engine.stats()).runningSequenceCount === 1);
      await waiting.post(body);
      await eventually(async () => (await engine.stats()).waitingSequenceCount === 1);
      waiting.close();
      running.close();
      // The server hears of it by itself: to whom waits for a whole answer no ping is sent.
      await eventually(() => requests.every(({ signal }) => signal!.aborted));
      const first = await engine.stats();
      assertEquals([first.runningSequenceCount, first.waitingSequenceCount], [0, 0]);
      assert(first.promptTokenCount < LONG.prompt.length, "it was still in prefill");
      const { cacheBytes, stepCount, generatedTokenCount } = await idleStats(engine);
      // The step on the GPU when the abort is heard, and the one encoded behind it.
      assertLessOrEqual(stepCount - first.stepCount, 2);
      assertEquals([generatedTokenCount, cacheBytes.allocated], [0, 0]);
    }
  }));
