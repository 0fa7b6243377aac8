import { assert, assertEquals, assertMatch } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { countTurns, eventually } from "../support/waiting.ts";
import { harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "a secret" }];

/** Runs `body` with what is written to stderr kept. */
async function withLines(body: (lines: string[]) => Promise<void>): Promise<void> {
  const { error } = console;
  const lines: string[] = [];
  console.error = (line: string) => lines.push(line);
  try {
    await body(lines);
  } finally {
    console.error = error;
  }
}

Deno.test("each answered request leaves one JSON line with its counts, times and end", () =>
  withLines(async (lines) => {
    const { post, engine } = harness(() => [97, 98], { app: { log: "json" } });
    engine.cachedTokenCount = 3;
    const response = await post(CHAT, { messages, max_tokens: 2 });
    await response.json();
    await eventually(() => lines.length > 0);
    assertEquals(lines.length, 1);
    const { time, id, total_ms, queue_ms, prefill_ms, decode_ms, ...rest } = JSON.parse(lines[0]);
    assertEquals(id, response.headers.get("x-request-id"));
    assertEquals(rest, {
      level: "info",
      message: "request",
      endpoint: CHAT,
      model: "fake",
      status: 200,
      error: null,
      prompt_tokens: 25,
      cached_tokens: 3,
      completion_tokens: 2,
      finish_reason: "length",
    });
    assertEquals([queue_ms, prefill_ms, decode_ms], [1, 100, 500]);
    assert(total_ms >= 0 && Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert(!lines[0].includes("secret"));
  }));

Deno.test("the caller's X-Request-Id is in the answer and the line, if it is short and printable", () =>
  withLines(async (lines) => {
    const { app, post } = harness(() => [97], { app: { log: "json" } });
    const kept = ["a", "7f3c-1", "trace/1:2=3", "x".repeat(128)];
    const ours = ["", "x".repeat(129), "two words", 'a"b', "a\\b", "\u00e9"];
    for (const given of [...kept, ...ours]) {
      const headers = { "X-Request-Id": given };
      const response = await post(CHAT, { messages, max_tokens: 1 }, headers);
      await response.text();
      await eventually(() => lines.length === 1);
      const id = response.headers.get("x-request-id")!;
      assertEquals(JSON.parse(lines.pop()!).id, id);
      if (kept.includes(given)) assertEquals(id, given);
      else assertMatch(id, /^req_[0-9a-f]{32}$/);
    }
    for (const path of ["/health", "/v1/models", "/nothing", CHAT]) {
      const response = await app.request(path, { headers: { "X-Request-Id": "mine" } });
      await response.body?.cancel();
      assertEquals([path, response.headers.get("x-request-id")], [path, "mine"]);
    }
  }));

Deno.test("the line has the session, the tenant and the objective that a router names", () =>
  withLines(async (lines) => {
    const { post } = harness(() => [97], { app: { log: "json" } });
    const gateway = {
      "X-Gateway-Inference-Fairness-Id": "team-1",
      "X-Gateway-Inference-Objective": "batch",
    };
    const cases: [headers: Record<string, string>, said: (string | undefined)[]][] = [
      [{ "X-Session-Id": "a", "X-Session-Token": "b", ...gateway }, ["a", "team-1", "batch"]],
      [{ "X-Session-Token": "x".repeat(200) }, ["x".repeat(128), undefined, undefined]],
      [{}, [undefined, undefined, undefined]],
    ];
    for (const [headers, said] of cases) {
      await (await post(CHAT, { messages, max_tokens: 1 }, headers)).text();
      await eventually(() => lines.length === 1);
      const line = JSON.parse(lines.pop()!);
      assertEquals([line.session, line.fairness_id, line.objective], said);
    }
  }));

Deno.test("a stream's line comes when it has ended, one for all its choices", () =>
  withLines(async (lines) => {
    const { post } = harness(() => [97, { waitMs: 50 }, 98], { app: { log: "json" } });
    const response = await post(CHAT, { messages, max_tokens: 2, n: 2, stream: true });
    assertEquals(lines, []);
    await response.text();
    await eventually(() => lines.length > 0);
    const { completion_tokens, prompt_tokens, status } = JSON.parse(lines[0]);
    assertEquals([lines.length, completion_tokens, prompt_tokens, status], [1, 4, 50, 200]);
  }));

Deno.test("refused and failed requests leave a line that names why", () =>
  withLines(async (lines) => {
    const full = new EngineError("queue_full", "Cannot accept: full");
    const { post } = harness(() => [full], { app: { log: "json", apiKeys: [] } });
    const bodies = [{ messages: 3 }, { messages }, { messages, stream: true }];
    for (const body of bodies) await (await post(CHAT, body)).text();
    await (await post("/v1/tokenize", { content: "abc" })).text();
    await eventually(() => lines.length === 4);
    const told = lines.map((line) => JSON.parse(line)).map(({ endpoint, status, error }) =>
      `${endpoint} ${status} ${error}`
    );
    assertEquals(told, [
      `${CHAT} 400 invalid_type`,
      `${CHAT} 429 queue_full`,
      `${CHAT} 429 queue_full`,
      "/v1/tokenize 200 null",
    ]);
  }));

Deno.test("a request that ends by an error or a lost client leaves the counts of what was done", () =>
  withLines(async (lines) => {
    const failure = new EngineError("device_lost", "Cannot go on: the device is lost");
    const endings = [["hang"], [failure]] as const;
    const { post, engine } = harness((_, call) => [97, 98, ...endings[call]], {
      app: { log: "json" },
    });
    engine.cachedTokenCount = 3;
    const gone = (await post(CHAT, { messages, stream: true })).body!.getReader();
    let read = "";
    while (!read.includes(`"content":"b"`)) {
      read += new TextDecoder().decode((await gone.read()).value);
    }
    await gone.cancel();
    await (await post(CHAT, { messages, stream: true })).text();
    await eventually(() => lines.length === 2);
    const told = lines.map((line) => JSON.parse(line));
    assertEquals(told.map(({ error }) => error), ["aborted", "device_lost"]);
    for (const { status, prompt_tokens, cached_tokens, completion_tokens, ...rest } of told) {
      assertEquals([status, prompt_tokens, cached_tokens, completion_tokens], [200, 25, 3, 2]);
      const { queue_ms, prefill_ms, decode_ms, finish_reason } = rest;
      assert(queue_ms <= 1 && prefill_ms >= 0 && decode_ms >= 0, lines.join("\n"));
      assertEquals(finish_reason, null);
    }
  }));

Deno.test("a deadline counts from a request's arrival, reading its body included", async () => {
  const { app } = harness(() => [97, "hang"], { requestLimitMs: 400 });
  const text = JSON.stringify({ messages });
  let turns: ReturnType<typeof countTurns> | null = null;
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode(text.slice(0, 9)));
      await new Promise((resolve) => setTimeout(resolve, 410));
      controller.enqueue(new TextEncoder().encode(text.slice(9)));
      controller.close();
      turns = countTurns(10);
    },
  });
  const response = await app.request(CHAT, { method: "POST", body });
  assertEquals(response.status, 504);
  await response.body?.cancel();
  turns!.stop();
  assert(turns!.count < 20, `${turns!.count} turns of 10 ms after the body`);
});

Deno.test("lines for people say the same; off says nothing", () =>
  withLines(async (lines) => {
    for (const log of ["off", "text"] as const) {
      const { post } = harness(() => [97], { app: { log } });
      await (await post(CHAT, { messages })).json();
    }
    await eventually(() => lines.length > 0);
    assertEquals(lines.length, 1);
    const [head, rest] = lines[0].split(": ");
    assertMatch(head, /^\/v1\/chat\/completions 200 req_[0-9a-f]{32}$/);
    assertMatch(rest, /^25 prompt tokens \(0 cached\), 1 generated, queue .* s, total .* s, stop$/);
  }));

Deno.test("a request that runs past its deadline ends with its name, and its memory is freed", async () => {
  const { post, engine } = harness(() => [97, "hang"], { requestLimitMs: 100 });
  const response = await post(CHAT, { messages });
  assertEquals(response.status, 504);
  const { error } = await response.json();
  assertEquals([error.code, error.type], ["deadline_exceeded", "server_error"]);
  assertMatch(error.message, /took more than 0\.1 s/);
  const stream = await (await post(CHAT, { messages, stream: true })).text();
  assertMatch(stream, /"code":"deadline_exceeded"/);
  await eventually(() => engine.activeCount === 0);
  assertEquals(engine.abortedCount, 2);
});
