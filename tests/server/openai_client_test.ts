import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { startServer } from "../../server/serve.ts";
import { EngineError } from "../../src/core/errors.ts";
import { AnswerCheck } from "../support/answer_check.ts";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { eventually } from "../support/waiting.ts";
import { harness, type HarnessOptions } from "./harness.ts";

const AUTHORIZED = { headers: { Authorization: "Bearer secret" } };
const messages = [{ role: "user" as const, content: "hi" }];

/** Runs `body` with the official client talking to a real socket. */
async function withClient(
  script: FakeScript,
  body: (client: OpenAI, context: ReturnType<typeof harness> & { url: string }) => Promise<void>,
  options: HarnessOptions = {},
): Promise<void> {
  const context = harness(script, { ...options, app: { apiKeys: ["secret"] } });
  const { app, state } = context;
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 1 });
  const check = new AnswerCheck((path) => fetch(server.url + path, AUTHORIZED));
  const settings = { apiKey: "secret", baseURL: `${server.url}/v1`, maxRetries: 0 };
  try {
    await body(new OpenAI({ ...settings, fetch: check.fetch }), { ...context, url: server.url });
  } finally {
    await server.stop();
  }
}

Deno.test("the openai client gets a whole chat completion", () =>
  withClient(() => tokensOf("hello"), async (client) => {
    const answer = await client.chat.completions.create({ model: "fake", messages, seed: 1 });
    assertEquals(answer.choices[0].message.content, "hello");
    assertEquals(answer.choices[0].finish_reason, "stop");
    assertEquals(answer.usage?.completion_tokens, 5);
  }));

Deno.test("the openai client streams a chat completion with usage", () =>
  withClient(() => tokensOf("hé!"), async (client) => {
    const stream = await client.chat.completions.create({
      model: "fake",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assertEquals(text, "hé!");
    assertEquals(usage?.total_tokens, 19 + 4);
  }));

Deno.test("the openai client's stream helper puts the message together", () =>
  withClient(() => tokensOf("hello"), async (client) => {
    const stream = client.chat.completions.stream({ model: "fake", messages });
    const answer = await stream.finalChatCompletion();
    assertEquals(answer.choices[0].message.content, "hello");
    assertEquals(answer.choices[0].message.role, "assistant");
  }));

Deno.test("the openai client gets plain completions, whole and streamed, of text and ids", () =>
  withClient(() => tokensOf("ok"), async (client) => {
    const request = { model: "fake", prompt: [1, 2, 3], max_tokens: 1 };
    const answer = await client.completions.create(request);
    assertEquals(answer.choices[0], {
      index: 0,
      text: "o",
      logprobs: null,
      finish_reason: "length",
    });
    let text = "";
    const streamed = { model: "fake", prompt: "x", stream: true as const };
    for await (const chunk of await client.completions.create(streamed)) {
      text += chunk.choices[0].text;
    }
    assertEquals(text, "ok");
  }));

Deno.test("the openai client lists and retrieves models", () =>
  withClient(() => [], async (client) => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assertEquals(ids, ["fake"]);
    assertEquals((await client.models.retrieve("fake")).owned_by, "packkv");
    await assertRejects(() => client.models.retrieve("nope"), OpenAI.NotFoundError);
  }));

Deno.test("the openai client throws the class that belongs to each error", () =>
  withClient(
    () => [new EngineError("queue_full", "Cannot queue: full")],
    async (client, { url }) => {
      const ask = (fields: object, asker = client) =>
        asker.chat.completions.create({ model: "fake", messages, ...fields });
      const bad = await assertRejects(() => ask({ temperature: 3 }), OpenAI.BadRequestError);
      assertInstanceOf(bad, OpenAI.BadRequestError);
      assertEquals([bad.param, bad.code], ["temperature", "invalid_value"]);
      const long = await assertRejects(() => ask({ max_tokens: 500 }), OpenAI.BadRequestError);
      assertEquals((long as InstanceType<typeof OpenAI.APIError>).code, "context_length_exceeded");
      await assertRejects(() => ask({ model: "nope" }), OpenAI.NotFoundError);
      await assertRejects(() => ask({}), OpenAI.RateLimitError);
      await assertRejects(() => ask({ stream: true }), OpenAI.RateLimitError);
      const stranger = new OpenAI({ apiKey: "wrong", baseURL: `${url}/v1`, maxRetries: 0 });
      await assertRejects(() => ask({}, stranger), OpenAI.AuthenticationError);
    },
  ));

Deno.test("the openai client throws if a stream fails after it began", () =>
  withClient(
    () => [97, new EngineError("device_lost", "Cannot go on: device lost")],
    async (client) => {
      const stream = await client.chat.completions.create({
        model: "fake",
        messages,
        stream: true,
      });
      await assertRejects(
        async () => {
          for await (const _ of stream);
        },
        OpenAI.APIError,
      );
    },
  ));

Deno.test("the openai client's abort ends the sequence", () =>
  withClient(() => [97, "hang"], async (client, { engine }) => {
    const stream = await client.chat.completions.create({ model: "fake", messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content === "a") stream.controller.abort();
    }
    await eventually(() => engine.abortedCount === 1);
    assert(engine.activeCount === 0);
  }));

const parameters = { type: "object", properties: { city: { type: "string" } } };
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city":"Bonn"}}\n</tool_call>';
const ROOM = { info: { contextLength: 4000 } };

Deno.test("the openai client's tool runner calls a function and goes on with its result", () =>
  withClient((_, callIndex) => tokensOf(callIndex === 0 ? CALL : "Rain."), async (client) => {
    const asked: string[] = [];
    const runner = client.chat.completions.runTools({
      model: "fake",
      messages,
      tools: [{
        type: "function",
        function: {
          name: "weather",
          description: "of a city",
          parameters,
          parse: JSON.parse,
          function: ({ city }: { city: string }) => {
            asked.push(city);
            return "rain";
          },
        },
      }],
    });
    assertEquals(await runner.finalContent(), "Rain.");
    assertEquals(asked, ["Bonn"]);
  }, ROOM));

Deno.test("the openai client parses a structured answer", () =>
  withClient(() => tokensOf('{"name":"Ann","age":7}'), async (client) => {
    const person = z.object({ name: z.string(), age: z.number() });
    const response_format = zodResponseFormat(person, "person");
    const answer = await client.chat.completions.parse({
      model: "fake",
      messages,
      response_format,
    });
    assertEquals(answer.choices[0].message.parsed, { name: "Ann", age: 7 });
  }, ROOM));

Deno.test("the openai client gets responses, whole, streamed and with calls", () =>
  withClient((_, callIndex) => tokensOf(callIndex < 2 ? "hello" : CALL), async (client) => {
    const whole = await client.responses.create({ model: "fake", input: "hi" });
    assertEquals([whole.output_text, whole.status], ["hello", "completed"]);
    const stream = client.responses.stream({ model: "fake", input: "hi" });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => text += delta);
    assertEquals((await stream.finalResponse()).output_text, "hello");
    assertEquals(text, "hello");
    const tools = [{ type: "function" as const, name: "weather", parameters, strict: false }];
    const called = await client.responses.create({ model: "fake", input: "hi", tools });
    assert(called.output[0].type === "function_call");
    assertEquals(called.output[0].arguments, '{"city":"Bonn"}');
  }, ROOM));

Deno.test("the openai client is told of tokens", () =>
  withClient(() => tokensOf("ok"), async (client) => {
    const fields = { model: "fake", messages, logprobs: true, top_logprobs: 2 };
    const { choices } = await client.chat.completions.create(fields);
    const { content } = choices[0].logprobs!;
    assertEquals(content!.map(({ token }) => token), ["o", "k"]);
    assertEquals(content![0].top_logprobs.length, 2);
  }));
