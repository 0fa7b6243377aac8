import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { createApp } from "../../server/app.ts";
import { ServerState } from "../../server/state.ts";
import { EngineError, type EngineErrorCode } from "../../src/core/errors.ts";
import { type FakeStep, tokensOf } from "../support/fake_engine.ts";
import { eventually } from "../support/waiting.ts";
import { framesOf, harness, poster } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "hi" }];

/** A script that fails at once, before any event. */
const failing = (code: EngineErrorCode) => (): FakeStep[] => [
  new EngineError(code, `Cannot go on: ${code}`),
];

for (const stream of [false, true]) {
  const mode = stream ? "streamed" : "whole";

  Deno.test(`${mode}: a prompt beyond the context gets 400 with both numbers`, async () => {
    const { post, engine } = harness(() => tokensOf("a"));
    const cases = [
      { messages, max_tokens: 182, numbers: ["201", "200"] },
      { messages: [{ role: "user", content: "x".repeat(300) }], numbers: ["318", "200"] },
    ];
    for (const { numbers, ...body } of cases) {
      const response = await post(CHAT, { ...body, stream });
      assertEquals(response.status, 400);
      const { error } = await response.json();
      assertEquals(error.code, "context_length_exceeded");
      assertEquals(error.param, "messages");
      for (const number of numbers) assertStringIncludes(error.message, number);
    }
    assertEquals(engine.requests.length, 0);
    const fits = await post(CHAT, { messages, max_tokens: 181, stream });
    assertEquals(fits.status, 200);
    await fits.body?.cancel();
  });

  Deno.test(`${mode}: an unknown model gets 404 model_not_found, aliases are known`, async () => {
    const { post } = harness(() => tokensOf("a"), { app: { aliases: ["gpt-4o"] } });
    const response = await post(CHAT, { messages, model: "nope", stream });
    assertEquals(response.status, 404);
    const { error } = await response.json();
    assertEquals([error.code, error.param], ["model_not_found", "model"]);
    assertStringIncludes(error.message, '"fake", "gpt-4o"');
    for (const model of ["gpt-4o", "fake", "", null]) {
      const known = await post(CHAT, { messages, model, stream });
      assertEquals([model, known.status], [model, 200]);
      assertStringIncludes(await known.text(), `"model":"fake"`);
    }
  });

  const statuses: [EngineErrorCode, number][] = [
    ["queue_full", 429],
    ["cache_exhausted", 429],
    ["context_length_exceeded", 400],
    ["device_lost", 503],
    ["out_of_memory", 503],
    ["shutting_down", 503],
    ["gpu_validation", 500],
    ["non_finite_values", 500],
  ];
  for (const [code, status] of statuses) {
    Deno.test(`${mode}: an engine that refuses with ${code} gives ${status}`, async () => {
      const { post } = harness(failing(code));
      const response = await post(CHAT, { messages, stream });
      assertEquals(response.status, status);
      assertEquals(response.headers.get("retry-after"), status === 429 ? "1" : null);
      const { error } = await response.json();
      assertEquals([error.code, error.message], [code, `Cannot go on: ${code}`]);
    });
  }
}

Deno.test("one refused generation of n gives an error answer and ends the others", async () => {
  const { post, engine } = harness((_, callIndex) =>
    callIndex === 1 ? failing("queue_full")() : ["hang"]
  );
  const response = await post(CHAT, { messages, n: 3, stream: true });
  assertEquals(response.status, 429);
  await response.body?.cancel();
  await eventually(() => engine.activeCount === 0);
  assertEquals(engine.abortedCount, 2);
});

Deno.test("a failure after the stream began is an error frame, and no [DONE]", async () => {
  const { post, state } = harness(() => [...tokensOf("a"), ...failing("device_lost")()]);
  const response = await post(CHAT, { messages, stream: true });
  assertEquals(response.status, 200);
  const text = await response.text();
  assertFalse(text.includes("[DONE]"));
  const frames = framesOf(text);
  assertEquals(frames.length, 3);
  assertEquals(frames[2], {
    error: {
      message: "Cannot go on: device_lost",
      type: "server_error",
      param: null,
      code: "device_lost",
    },
  });
  assertEquals(state.inFlightCount, 0);
});

Deno.test("an unexpected error gives 500 that does not tell what it says", async () => {
  const { post } = harness(() => [new Error("secret path /root")]);
  const log = console.error;
  console.error = () => {};
  try {
    const response = await post(CHAT, { messages });
    assertEquals(response.status, 500);
    assertFalse((await response.text()).includes("secret"));
  } finally {
    console.error = log;
  }
});

Deno.test("a body over the limit gets 413, with and without a Content-Length", async () => {
  const { app, post } = harness(() => tokensOf("a"), {
    app: { limits: { bodySizeBytesMax: 100 } },
  });
  const long = JSON.stringify({ messages: [{ role: "user", content: "x".repeat(200) }] });
  const headers = { "Content-Length": String(long.length) };
  assertEquals((await post(CHAT, long, headers)).status, 413);
  const body = new Blob([long]).stream();
  const response = await app.request(CHAT, { method: "POST", body, duplex: "half" } as RequestInit);
  assertEquals(response.status, 413);
  assertEquals((await response.json()).error.code, "body_too_large");
  assertEquals((await post(CHAT, { messages })).status, 200);
});

Deno.test("an unknown path gets 404, a wrong method 405 that names the right one", async () => {
  const { app } = harness(() => []);
  const unknown = await app.request("/v1/nothing");
  assertEquals([unknown.status, (await unknown.json()).error.code], [404, "not_found"]);
  const wrong = await app.request(CHAT);
  assertEquals([wrong.status, wrong.headers.get("allow")], [405, "POST, OPTIONS"]);
  await wrong.body?.cancel();
});

Deno.test("a WebSocket is refused with 426, so that a client goes on over HTTP", async () => {
  const { app } = harness(() => []);
  const headers = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" };
  const refused = await app.request("/v1/responses", { headers });
  const { error } = await refused.json();
  assertEquals([refused.status, error.code], [426, "upgrade_not_supported"]);
});

Deno.test("while loading everything that needs the model gets 503, metrics answer", async () => {
  const state = new ServerState();
  const app = createApp({ state, modelId: "fake" });
  const post = poster(app);
  for (const path of ["/health", "/v1/models", "/props"]) {
    const response = await app.request(path);
    assertEquals([path, response.status], [path, 503]);
    assertEquals((await response.json()).error.code, "loading");
  }
  assertEquals((await post(CHAT, { messages })).status, 503);
  assertEquals((await post("/tokenize", { content: "a" })).status, 503);
  const metrics = await app.request("/metrics");
  assertEquals(metrics.status, 200);
  assertStringIncludes(await metrics.text(), "vllm:num_requests_running");
});

Deno.test("after the engine failed every answer is 503 with the reason", async () => {
  const { app, post, engine } = harness(() => tokensOf("a"));
  assertEquals((await app.request("/health")).status, 200);
  engine.fail({ code: "device_lost", message: "the driver reset" });
  await Promise.resolve();
  for (const response of [await app.request("/health"), await post(CHAT, { messages })]) {
    assertEquals(response.status, 503);
    const { error } = await response.json();
    assertEquals(error.code, "device_lost");
    assertStringIncludes(error.message, "the driver reset");
  }
});

Deno.test("a model that could not be loaded is 503 with the reason", async () => {
  const state = new ServerState();
  state.setFailed("invalid_request", "bad file");
  const response = await createApp({ state, modelId: "fake" }).request("/health");
  assertEquals(response.status, 503);
  assertStringIncludes((await response.json()).error.message, "bad file");
});

Deno.test("stopping ends requests in flight with shutting_down and refuses new ones", async () => {
  const { app, post, state, engine } = harness((_, i) => i === 0 ? ["hang"] : [97, "hang"]);
  const whole = post(CHAT, { messages });
  const streamed = await post(CHAT, { messages, stream: true });
  assertEquals(state.inFlightCount, 2);
  state.stop();
  assertEquals((await whole).status, 503);
  assertEquals((await (await whole).json()).error.code, "shutting_down");
  const text = await streamed.text();
  assertEquals(framesOf(text).at(-1).error.code, "shutting_down");
  assertFalse(text.includes("[DONE]"));
  assertEquals((await post(CHAT, { messages })).status, 503);
  assertEquals((await app.request("/health")).status, 503);
  assertEquals([state.inFlightCount, engine.activeCount], [0, 0]);
  assert(engine.requests.every(({ signal }) => signal!.aborted));
});
