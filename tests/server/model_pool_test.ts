/** Which of several models are loaded, by whom they are waited for, and when they go. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createApp } from "../../server/app.ts";
import { ModelPool, type PoolLimits } from "../../server/models/model_pool.ts";
import type { ModelSource } from "../../server/models/seat.ts";
import { ServerState } from "../../server/state.ts";
import { EngineError } from "../../src/core/errors.ts";
import { FakeEngine, fakeModel, type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { eventually } from "../support/waiting.ts";
import { framesOf, poster } from "./harness.ts";

const ENDLESS = new AbortController().signal;
/** Of every fake engine. */
const DEVICE_BYTES = 7000;

/** Models `a`, `b` and so on, and what happens to them. */
function fakePool(
  ids: string,
  limits: Partial<PoolLimits>,
  { script = () => tokensOf("hi"), ttlMs = null, failures = [], loadMs = 0 }: {
    script?: FakeScript;
    ttlMs?: number | null;
    /** Of the first loads. */
    failures?: Error[];
    loadMs?: number;
  } = {},
) {
  const log: string[] = [];
  const engines = new Map<string, FakeEngine>();
  const sources = [...ids].map((id): ModelSource => ({
    id,
    aliases: [`the-${id}`],
    ttlMs,
    outline: () =>
      Promise.resolve({ contextLength: 100, contextLengthTrained: 200, sizeBytes: 1000 }),
    async load(onProgress) {
      onProgress("reading", 0.42);
      await new Promise((resolve) => setTimeout(resolve, loadMs));
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      const engine = new FakeEngine(script);
      const close = engine.close.bind(engine);
      engine.close = () => {
        log.push(`-${id}`);
        return close();
      };
      engines.set(id, engine);
      log.push(`+${id}`);
      return fakeModel(engine);
    },
  }));
  const pool = new ModelPool(sources, { countMax: null, memoryBytesMax: null, ...limits });
  return { pool, log, engines };
}

function served(pool: ModelPool) {
  const state = new ServerState();
  state.setOpen();
  const app = createApp({ state, models: pool });
  return { app, state, post: poster(app) };
}

Deno.test("a model is loaded by the first request and unloaded, idle longest, when there is no room", async () => {
  const { pool, log } = fakePool("abc", { countMax: 2 });
  for (const id of ["a", "b", "a", "c", "c", "b"]) (await pool.use(id, ENDLESS)).end();
  assertEquals(log, ["+a", "+b", "-b", "+c", "-a", "+b"]);
  assertEquals(pool.loadedIds, ["b", "c"]);
  await pool.close();
  assertEquals(pool.loadedIds, []);
});

Deno.test("a model in use is unloaded when its requests are over; later ones wait for it, none is lost", async () => {
  const { pool, log } = fakePool("ab", { countMax: 1 });
  const first = await pool.use("a", ENDLESS);
  const second = await pool.use("a", ENDLESS);
  const other = pool.use("b", ENDLESS);
  await new Promise((resolve) => setTimeout(resolve, 0));
  // Else requests that overlap would keep b waiting for ever.
  const later = pool.use("a", ENDLESS);
  first.end();
  first.end();
  assertEquals(log, ["+a"]);
  second.end();
  (await other).end();
  assertEquals(log, ["+a", "-a", "+b"]);
  (await later).end();
  assertEquals(log, ["+a", "-a", "+b", "-b", "+a"]);
  await pool.close();
});

Deno.test("a model that is being unloaded is given to nobody", async () => {
  const { pool, log } = fakePool("ab", { countMax: 1 });
  (await pool.use("a", ENDLESS)).end();
  const asked = ["b", "a"].map((id) => pool.use(id, ENDLESS));
  // While what it has counted is read for the last time.
  pool.onUnloading = async () => {
    asked.push(pool.use("a", ENDLESS));
    await new Promise((resolve) => setTimeout(resolve, 5));
    pool.onUnloading = () => Promise.resolve();
  };
  const uses = asked.map(async (use) => (await use).end());
  await Promise.all(uses);
  (await asked.at(-1)!).end();
  assertEquals(log, ["+a", "-a", "+b", "-b", "+a"]);
  await pool.close();
});

Deno.test("requests for a model that waits for room are served by the one they find when nobody waits for the other any more", async () => {
  const { pool, log } = fakePool("ab", { countMax: 1 });
  const use = await pool.use("a", ENDLESS);
  const client = new AbortController();
  const gone = pool.use("b", client.signal);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const later = pool.use("a", ENDLESS);
  client.abort(new Error("gone"));
  await assertRejects(() => gone, Error, "gone");
  (await later).end();
  use.end();
  assertEquals(log, ["+a"]);
  await pool.close();
});

Deno.test("models stay within the memory they may take, by what they took when they were loaded", async () => {
  const { pool, log } = fakePool("abc", { memoryBytesMax: 2.5 * DEVICE_BYTES });
  for (const id of ["a", "b", "c"]) (await pool.use(id, ENDLESS)).end();
  // What a model takes is not known before: others make room for the most that it may.
  assertEquals(log.splice(0), ["+a", "-a", "+b", "-b", "+c"]);
  for (const id of ["a", "c", "b"]) (await pool.use(id, ENDLESS)).end();
  assertEquals([log, pool.loadedIds], [["+a", "-a", "+b"], ["b", "c"]]);
  const small = fakePool("a", { memoryBytesMax: DEVICE_BYTES - 1 }).pool;
  const error = await assertRejects(() => small.use("a", ENDLESS), EngineError);
  assertEquals(error.code, "model_too_large");
  assertStringIncludes(error.message, "--models-memory");
  assertEquals(small.loadedIds, []);
});

Deno.test("a device without room for a model gets room by unloading others, and else says so", async () => {
  const failures: Error[] = [];
  const { pool, log } = fakePool("abc", {}, { failures });
  for (const id of ["a", "b"]) (await pool.use(id, ENDLESS)).end();
  failures.push(new EngineError("out_of_memory", "no room"));
  (await pool.use("c", ENDLESS)).end();
  assertEquals(log, ["+a", "+b", "-a", "+c"]);
  failures.push(...[1, 2, 3].map(() => new EngineError("out_of_memory", "still no room")));
  await assertRejects(() => pool.use("a", ENDLESS), EngineError, "still no room");
  assertEquals(pool.loadedIds, []);
  const [a] = await pool.list();
  assertEquals([a.status, a.failure], ["failed", "still no room"]);
  (await pool.use("a", ENDLESS)).end();
  assertEquals(pool.loadedIds, ["a"]);
  await pool.close();
});

Deno.test("a model without requests for its time to live is unloaded, one in use is not", async () => {
  const { pool, log } = fakePool("ab", {}, { ttlMs: 30 });
  (await pool.use("a", ENDLESS)).end();
  const use = await pool.use("b", ENDLESS);
  await eventually(() => log.includes("-a"));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assertEquals(pool.loadedIds, ["b"]);
  use.end();
  await eventually(() => log.includes("-b"));
  await pool.close();
});

Deno.test("an engine that fails is closed and its model loaded anew by the next request", async () => {
  const { pool, log, engines } = fakePool("a", {});
  (await pool.use("a", ENDLESS)).end();
  engines.get("a")!.fail({ code: "device_lost", message: "the driver reset" });
  await eventually(() => pool.loadedIds.length === 0);
  assertEquals((await pool.list())[0].failure, "device_lost: the driver reset");
  (await pool.use("a", ENDLESS)).end();
  assertEquals(log, ["+a", "-a", "+a"]);
  assertEquals((await pool.list())[0].failure, null);
  await pool.close();
});

Deno.test("requests name one of several models by its id or an alias; none or a wrong one is refused with the names", async () => {
  const { app, post } = served(fakePool("ab", {}).pool);
  const ask = async (model?: string) => {
    const response = await post("/v1/completions", { model, prompt: "x", max_tokens: 2 });
    return { status: response.status, body: await response.json() };
  };
  const named = await ask("the-b");
  assertEquals([named.status, named.body.model, named.body.choices[0].text], [200, "b", "hi"]);
  const none = await ask();
  assertEquals([none.status, none.body.error.param], [400, "model"]);
  assertStringIncludes(none.body.error.message, '"a", "b"');
  assertEquals((await ask("c")).body.error.code, "model_not_found");
  const props = (name: string) => app.request(`/props?model=${name}`);
  assertEquals((await (await props("b")).json()).model_alias, "b");
  const unloaded = await props("a");
  assertEquals([unloaded.status, (await unloaded.json()).error.code], [503, "model_not_loaded"]);
  assertEquals((await app.request("/health")).status, 200);
});

Deno.test("GET /v1/models lists models that are not loaded with what their files say; load and unload change their status", async () => {
  const { app, post } = served(fakePool("ab", {}).pool);
  const list = async () => {
    const { data } = await (await app.request("/v1/models")).json();
    // deno-lint-ignore no-explicit-any
    return data.map(({ id, status, context_length, meta }: any) => {
      return [id, status.value, context_length, meta.n_ctx_train, meta.kv_profile === undefined];
    });
  };
  const unloaded = (id: string) => [id, "unloaded", 100, 200, true];
  const loaded = (id: string) => [id, "loaded", 200, 400, false];
  assertEquals(await list(), [unloaded("a"), unloaded("b")]);
  const { success, model } = await (await post("/v1/models/load", { model: "the-b" })).json();
  assertEquals([success, model.id, model.status], [true, "b", { value: "loaded" }]);
  assertEquals(await list(), [unloaded("a"), loaded("b")]);
  for (let time = 0; time < 2; time++) {
    const answer = await (await post("/v1/models/unload", { model: "b" })).json();
    assertEquals([answer.success, answer.model.status.value], [true, "unloaded"]);
  }
  assertEquals(await list(), [unloaded("a"), unloaded("b")]);
  assertEquals((await post("/v1/models/load", { model: "c" })).status, 404);
});

Deno.test("metrics count each model's requests under its name, also after it was unloaded and loaded again", async () => {
  const { app, post } = served(fakePool("ab", { countMax: 1 }).pool);
  for (const model of ["a", "b", "a"]) {
    await (await post("/v1/completions", { model, prompt: "x", max_tokens: 2 })).body?.cancel();
  }
  const text = await (await app.request("/metrics")).text();
  const value = (name: string, id: string) => {
    const line = text.split("\n").find((each) => {
      return each.startsWith(`${name}{`) && each.includes(`model_name="${id}"`);
    });
    return Number(line?.split(" ").at(-1));
  };
  assertEquals(value("vllm:generation_tokens_total", "a"), 4);
  assertEquals(value("vllm:generation_tokens_total", "b"), 2);
  assertEquals(value("packkv:model_loads_total", "a"), 2);
  assertEquals([value("packkv:model_loaded", "a"), value("packkv:model_loaded", "b")], [1, 0]);
  assertEquals(text.match(/^# TYPE vllm:generation_tokens_total /gm)?.length, 1);
});

const STREAMS: [path: string, body: object, last: string][] = [
  ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }] }, "[DONE]"],
  ["/v1/responses", { input: "x" }, '"type":"response.incomplete"'],
  [
    "/v1/messages",
    { messages: [{ role: "user", content: "x" }], max_tokens: 2 },
    '"type":"message_stop"',
  ],
];

for (const [path, body, last] of STREAMS) {
  Deno.test(`a stream of ${path} waits for its model with comments of progress, then is what it would have been`, async () => {
    const { pool } = fakePool("a", {}, { loadMs: 1200 });
    const { post } = served(pool);
    const limit = path === "/v1/responses" ? { max_output_tokens: 2 } : { max_tokens: 2 };
    const text = await (await post(path, { ...body, ...limit, model: "a", stream: true })).text();
    assert(text.startsWith(": loading a: reading, 42 %\n\n"), text);
    assertStringIncludes(text, last);
    const again = await (await post(path, { ...body, ...limit, model: "a", stream: true })).text();
    const types = (each: string) => framesOf(each.replace(/^event: .*\n/gm, "")).map(kindOf);
    assertEquals(types(text), types(again));
    await pool.close();
  });
}

// deno-lint-ignore no-explicit-any
const kindOf = ({ type, object }: any) => type ?? object;

Deno.test("a stream whose model cannot be loaded ends with the error of its protocol", async () => {
  for (const [path, body] of STREAMS) {
    const failures = [new EngineError("model_file_invalid", "Cannot read it: it is cut")];
    const { post } = served(fakePool("a", {}, { loadMs: 1100, failures }).pool);
    const text = await (await post(path, { ...body, model: "a", stream: true })).text();
    assert(text.startsWith(": loading a"));
    const [frame] = framesOf(text.replace(/^event: .*\n/gm, ""));
    assertEquals((frame.error ?? frame).message, "Cannot read it: it is cut");
  }
});

Deno.test("a client that goes while its model is loading leaves no use of it behind", async () => {
  const { pool, engines } = fakePool("ab", { countMax: 1 }, {
    loadMs: 1100,
    script: () => ["hang"],
  });
  const { app, state } = served(pool);
  const client = new AbortController();
  const response = await app.request("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model: "a", messages: [{ role: "user", content: "x" }], stream: true }),
    signal: client.signal,
  });
  await response.body!.cancel();
  client.abort();
  (await pool.use("b", ENDLESS)).end();
  assertEquals([pool.loadedIds, state.inFlightCount], [["b"], 0]);
  assertEquals(engines.get("a")?.requests.length ?? 0, 0);
  await pool.close();
});

Deno.test("images and sound are refused by name in each protocol, at once: no model is loaded for them", async () => {
  const { pool, log } = fakePool("a", {});
  const { post } = served(pool);
  const asks: [path: string, part: object, limit: object, what: string][] = [
    ["/v1/chat/completions", { type: "image_url", image_url: { url: "x" } }, {}, "an image"],
    ["/v1/chat/completions", { type: "input_audio", input_audio: {} }, {}, "audio"],
    ["/v1/messages", { type: "image", source: {} }, { max_tokens: 2 }, "an image"],
    ["/v1/responses", { type: "input_image", image_url: "x" }, {}, "an image"],
    ["/v1/responses", { type: "input_audio", input_audio: {} }, {}, "audio"],
  ];
  for (const [path, part, limit, what] of asks) {
    const list = path === "/v1/responses" ? "input" : "messages";
    const body = { model: "a", [list]: [{ role: "user", content: [part] }], ...limit };
    for (const stream of [false, true]) {
      const response = await post(path, { ...body, stream });
      assertEquals(response.status, 400, path);
      const { error: { message } } = await response.json();
      assertStringIncludes(message, `${what} (type ${JSON.stringify(Object.values(part)[0])})`);
    }
  }
  assertEquals(log, []);
  await pool.close();
});

Deno.test("too many requests for a model that is loading get 429", async () => {
  const { pool } = fakePool("a", {}, { loadMs: 50 });
  const uses = Array.from({ length: 257 }, () => pool.use("a", ENDLESS));
  const outcomes = await Promise.allSettled(uses);
  const refused = outcomes.filter(({ status }) => status === "rejected");
  assertEquals(refused.length, 1);
  assertEquals((refused[0] as PromiseRejectedResult).reason.code, "queue_full");
  await pool.close();
});
