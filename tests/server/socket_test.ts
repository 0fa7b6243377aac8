import { assert, assertEquals, assertRejects } from "@std/assert";
import { startServer } from "../../server/serve.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { countTurns, eventually } from "../support/waiting.ts";
import { withServer } from "./serve_app.ts";

const messages = [{ role: "user", content: "hi" }];

function post(url: string, body: object, signal?: AbortSignal): Promise<Response> {
  const init = { method: "POST", body: JSON.stringify(body), ...(signal ? { signal } : {}) };
  return fetch(`${url}/v1/chat/completions`, init);
}

/** Two seconds, counted by this thread, which stops the server too. */
async function assertStopsInTime(stop: () => Promise<unknown>): Promise<void> {
  const turns = countTurns(10);
  await stop();
  turns.stop();
  assert(turns.count < 200, `${turns.count} turns of 10 ms`);
}

Deno.test("a client that goes before a whole answer ends its sequences", () =>
  withServer(() => [97, "hang"], async ({ url, engine, state }) => {
    const client = new AbortController();
    const answer = post(url, { messages, n: 2 }, client.signal).catch((error) => error.name);
    await eventually(() => engine.activeCount === 2);
    client.abort();
    assertEquals(await answer, "AbortError");
    await eventually(() => engine.abortedCount === 2);
    assertEquals([engine.activeCount, state.inFlightCount], [0, 0]);
  }));

Deno.test("a client that goes in the middle of a stream ends its sequence", () =>
  withServer(() => [97, "hang"], async ({ url, engine, state }) => {
    const client = new AbortController();
    const response = await post(url, { messages, stream: true }, client.signal);
    const reader = response.body!.getReader();
    await reader.read();
    assertEquals(engine.activeCount, 1);
    client.abort();
    await reader.read().catch(() => {});
    await eventually(() => engine.abortedCount === 1);
    await eventually(() => state.inFlightCount === 0);
  }));

Deno.test("a client that goes before the stream's first frame ends its sequence", () =>
  withServer(() => ["hang"], async ({ url, engine, state }) => {
    const client = new AbortController();
    const answer = post(url, { messages, stream: true }, client.signal).catch((error) =>
      error.name
    );
    await eventually(() => engine.activeCount === 1);
    client.abort();
    assertEquals(await answer, "AbortError");
    await eventually(() => engine.abortedCount === 1 && state.inFlightCount === 0);
  }));

Deno.test("a client that goes during pings ends its sequence", () =>
  withServer(() => ["hang"], async ({ url, engine, state }) => {
    const client = new AbortController();
    const response = await post(url, { messages, stream: true }, client.signal);
    const reader = response.body!.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), ": ping\n\n");
    client.abort();
    await reader.read().catch(() => {});
    await eventually(() => engine.abortedCount === 1 && state.inFlightCount === 0);
  }, { app: { limits: { pingIntervalMs: 20 } } }));

Deno.test("frames arrive as they are made, uncompressed, though the client accepts gzip", () => {
  let text = "";
  // What follows is made only once this one has come.
  const isSeen = () => text.includes(`"a"`);
  const script = () => [...tokensOf("a"), { until: eventually(isSeen) }, ...tokensOf("b")];
  return withServer(script, async ({ url }) => {
    const response = await post(url, { messages, stream: true });
    assertEquals(response.headers.get("content-encoding"), null);
    for await (const bytes of response.body!) text += new TextDecoder().decode(bytes);
    assert(text.endsWith("data: [DONE]\n\n"));
  });
});

Deno.test("200 requests, whole, streamed and cut, leave nothing in flight", () =>
  withServer(() => tokensOf("hello"), async ({ url, engine, state }) => {
    for (let index = 0; index < 200; index++) {
      const response = await post(url, { messages, stream: index % 2 === 0 });
      if (index % 10 === 0) await response.body!.cancel();
      else await response.text();
    }
    await eventually(() => engine.activeCount === 0 && state.inFlightCount === 0);
    assertEquals(engine.requests.length, 200);
  }));

Deno.test("RunningServer.stop() ends a hanging stream and frees the engine within 2 s", () =>
  withServer(() => [97, "hang"], async ({ url, engine, stop }) => {
    const response = await post(url, { messages, stream: true });
    const text = response.text();
    await assertStopsInTime(() => Promise.all([stop(), stop()]));
    assert((await text).includes(`"code":"shutting_down"`));
    assertEquals([engine.isClosed, engine.activeCount], [true, 0]);
    const refused = await post(url, { messages }).then(() => "answered", () => "refused");
    assertEquals(refused, "refused");
  }));

Deno.test("RunningServer.stop() takes less than 2 s if the engine never closes", () =>
  withServer(() => [], async ({ engine, stop }) => {
    engine.close = () => new Promise(() => {});
    await assertStopsInTime(stop);
  }));

Deno.test("startServer() says so if the port is taken or the address is open", () =>
  withServer(() => [], async ({ app, state, url }) => {
    const port = Number(new URL(url).port);
    const taken = { app, state, hostname: "127.0.0.1", port, keyCount: 0 };
    await assertRejects(() => startServer(taken), Error, "another program listens there");
    const open = { app, state, hostname: "0.0.0.0", port: 0, keyCount: 0 };
    await assertRejects(() => startServer(open), TypeError, "without a key");
  }));
