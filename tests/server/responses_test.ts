import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import OpenAI from "openai";
import { responsesEvent } from "../../server/openai/responses/answer.ts";
import { EngineError } from "../../src/core/errors.ts";
import { FAKE_TOKENIZER, type FakeStep, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";
import { type ServedApp, withServer } from "./serve_app.ts";

const PATH = "/v1/responses";
const OPTIONS = { info: { contextLength: 4000 } };
const tools = [{ type: "function", name: "time", parameters: { type: "object" }, strict: true }];
const CALL = '<tool_call>\n{"name": "time", "arguments": {"a":1}}\n</tool_call>';

/** `data` of the frames of a stream of events. */
// deno-lint-ignore no-explicit-any
function eventsOf(text: string): any[] {
  const frames = text.split("\n\n").filter((frame) => frame.startsWith("event: "));
  return frames.map((frame) => {
    const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(frame)!;
    const event = JSON.parse(data);
    assertEquals(event.type, name);
    return event;
  });
}

Deno.test("a response holds a message with its text, and repeats what was asked", async () => {
  const { post } = harness(() => tokensOf("yes"));
  const startSeconds = Math.floor(Date.now() / 1000);
  const response = await post(PATH, { input: "hi", temperature: 0.5, metadata: { a: "b" } });
  const { id, created_at, output, ...body } = await response.json();
  assertMatch(id, /^resp_[0-9a-f]{32}$/);
  assert(startSeconds <= created_at && created_at <= Date.now() / 1000);
  assertEquals(output.length, 1);
  assertEquals(output[0].content, [{ type: "output_text", text: "yes", annotations: [] }]);
  assertEquals([body.status, body.temperature, body.metadata], ["completed", 0.5, { a: "b" }]);
  assertEquals(body.usage.total_tokens, 19 + 3);
});

Deno.test("a streamed response tells of everything in order, numbered without a gap", async () => {
  const { post } = harness(() => tokensOf("ok"));
  const text = await (await post(PATH, { input: "hi", stream: true })).text();
  const events = eventsOf(text);
  assertEquals(events.map(({ type }) => type.replace("response.", "")), [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
  ]);
  assertEquals(events.map(({ sequence_number }) => sequence_number), events.map((_, i) => i));
  assertEquals(events[6].text, "ok");
  assertEquals(events[8].item.status, "completed");
  assertEquals(events.at(-1).response.output[0].content[0].text, "ok");
});

Deno.test("calls are items of their own, after what was said before them", async () => {
  const { post, engine } = harness(() => tokensOf(`Wait.\n${CALL}`), OPTIONS);
  const text = await (await post(PATH, { input: "hi", tools, stream: true })).text();
  const events = eventsOf(text);
  const { output } = events.at(-1).response;
  assertEquals(output.map(({ type }: { type: string }) => type), ["message", "function_call"]);
  assertEquals(output[0].content[0].text, "Wait.\n");
  assertEquals([output[1].name, output[1].arguments], ["time", '{"a":1}']);
  const deltas = events.filter(({ type }) => type.endsWith("arguments.delta"));
  assertEquals(deltas.map(({ delta }) => delta).join(""), '{"a":1}');
  assertEquals(new Set(deltas.map(({ item_id }) => item_id)), new Set([output[1].id]));
  assertEquals(engine.requests[0].grammar?.type, "tags");
});

Deno.test("a response that ends by its limit is incomplete and says so", async () => {
  const { post } = harness(() => tokensOf("abcdef"));
  const body = { input: "hi", max_output_tokens: 2 };
  const { status, incomplete_details, output } = await (await post(PATH, body)).json();
  assertEquals([status, incomplete_details.reason], ["incomplete", "max_output_tokens"]);
  assertEquals([output[0].status, output[0].content[0].text], ["incomplete", "ab"]);
  const events = eventsOf(await (await post(PATH, { ...body, stream: true })).text());
  assertEquals(events.at(-1).type, "response.incomplete");
});

Deno.test("instructions, parts, calls and their results make the prompt", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), OPTIONS);
  const input = [
    {
      role: "user",
      content: [{ type: "input_text", text: "a" }, { type: "input_text", text: "b" }],
    },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "c" }] },
    { type: "function_call", call_id: "1", name: "time", arguments: '{"a":1}' },
    { type: "function_call_output", call_id: "1", output: "noon" },
  ];
  await (await post(PATH, { input, instructions: "Be brief." })).json();
  assertEquals(
    FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds),
    `[system]Be brief.[user]a\nb[assistant]c\n${CALL}` +
      "[user]<tool_response>\nnoon\n</tool_response>[assistant]",
  );
});

const REFUSED: [object, string, string][] = [
  [{}, "input", "missing_required_parameter"],
  [{ input: "" }, "input", "invalid_value"],
  [
    { input: "x", previous_response_id: "resp_1" },
    "previous_response_id",
    "previous_response_not_found",
  ],
  [{ input: "x", background: true }, "background", "unsupported_parameter"],
  [
    { input: "x", tools: [{ type: "web_search" }], tool_choice: { type: "web_search" } },
    "tool_choice",
    "unsupported_parameter",
  ],
  [
    { input: "x", tools: [{ type: "web_search" }], tool_choice: "required" },
    "tool_choice",
    "invalid_value",
  ],
  [{ input: "x", max_output_tokens: 0 }, "max_output_tokens", "invalid_value"],
  [{ input: "x".repeat(300) }, "input", "context_length_exceeded"],
  [{ input: "x", model: "other" }, "model", "model_not_found"],
];

for (const [body, param, code] of REFUSED) {
  Deno.test(`POST ${PATH} refuses ${JSON.stringify(body).slice(0, 60)} (${code})`, async () => {
    for (const stream of [false, true]) {
      const { post } = harness(() => tokensOf("a"));
      const response = await post(PATH, { ...body, stream });
      assertEquals(response.status, code === "model_not_found" ? 404 : 400);
      const { error } = await response.json();
      assertEquals([error.param, error.code], [param, code]);
    }
  });
}

Deno.test("a failure after the first event ends the stream with an error", async () => {
  const { post } = harness(() => [97, new Error("x")]);
  const { error } = console;
  console.error = () => {};
  try {
    const text = await (await post(PATH, { input: "hi", stream: true })).text();
    assertEquals(eventsOf(text).at(-2).code, "internal_error");
  } finally {
    console.error = error;
  }
});

/** How a stream ends early: what is done to the server, and what its client is told. */
const FAILURES: Record<string, {
  code: string;
  act: (server: Pick<ServedApp, "state">) => void;
  step?: EngineError;
  /** Tried one after the other until the text has come before. */
  requestLimitsMs?: number[];
}> = {
  "the deadline": {
    code: "deadline_exceeded",
    act: () => {},
    requestLimitsMs: [300, 3000, 30_000],
  },
  "a shutdown": { code: "shutting_down", act: ({ state }) => state.stop() },
  "a lost device": {
    code: "device_lost",
    act: () => {},
    step: new EngineError("device_lost", "Cannot go on: the device is lost"),
  },
};

for (const [name, { code, act, step, requestLimitsMs = [undefined] }] of Object.entries(FAILURES)) {
  const script = (): FakeStep[] => [...tokensOf("ok"), step ?? "hang"];

  /** Runs `body` with a server whose streams end so; false: they did before their text. */
  const withCut = async (body: (server: ServedApp) => Promise<boolean>) => {
    let hasCome = false;
    for (const requestLimitMs of requestLimitsMs) {
      const options = requestLimitMs === undefined ? {} : { requestLimitMs };
      await withServer(script, async (server) => hasCome = await body(server), options);
      if (hasCome) return;
    }
    throw new Error("its text comes before a stream is cut");
  };

  Deno.test(`a stream cut by ${name} tells it by an error event and response.failed`, () =>
    withCut(async (server) => {
      const response = await fetch(server.url + PATH, {
        method: "POST",
        body: JSON.stringify({ input: "hi", stream: true }),
      });
      let text = "";
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        const hadCome = text.includes('"delta":"k"');
        text += part;
        if (!hadCome && text.includes('"delta":"k"')) act(server);
      }
      if (!text.includes('"delta":"k"')) return false;
      const events = eventsOf(text);
      assertEquals(events.length, text.trim().split("\n\n").length);
      assertEquals(events.map(({ sequence_number }) => sequence_number), events.map((_, i) => i));
      const [error, failed] = events.slice(-2);
      const told = { code, message: error.message, param: null };
      const { type: _, sequence_number: __, ...rest } = error;
      assertEquals(rest, { ...told, error: { ...told, type: "server_error" } });
      assertEquals([error.type, failed.type], ["error", "response.failed"]);
      assertEquals(failed.response.status, "failed");
      assertEquals(failed.response.error, { code, message: error.message });
      assertEquals(failed.response.output[0].status, "incomplete");
      for (const event of events) responsesEvent.parse(event);
      return true;
    }));

  Deno.test(`OpenAI's client throws what ended a stream cut by ${name}`, () =>
    withCut(async (server) => {
      const client = new OpenAI({ apiKey: "k", baseURL: `${server.url}/v1`, maxRetries: 0 });
      const stream = client.responses.stream({ model: "fake", input: "hi" });
      let hasCome = false;
      stream.on("response.output_text.delta", ({ delta }) => {
        if (delta === "k") act(server);
        hasCome ||= delta === "k";
      });
      const error = await assertRejects(() => stream.finalResponse(), OpenAI.APIError);
      if (hasCome) assertEquals((error as InstanceType<typeof OpenAI.APIError>).code, code);
      return hasCome;
    }));
}

Deno.test("a failure after a ping and before any event is an error event", () =>
  withServer(
    () => [{ waitMs: 200 }, new EngineError("device_lost", "Cannot go on")],
    async ({ url }) => {
      const response = await fetch(url + PATH, {
        method: "POST",
        body: JSON.stringify({ input: "hi", stream: true }),
      });
      const text = await response.text();
      assert(text.startsWith(": ping"));
      const [error, ...others] = eventsOf(text);
      assertEquals([error.type, error.code, error.sequence_number], ["error", "device_lost", 0]);
      assertEquals(others, []);
    },
    { app: { limits: { pingIntervalMs: 20 } } },
  ));
